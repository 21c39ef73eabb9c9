package control_test

import (
	"testing"
	"time"

	"github.com/poolkeeper/poolkeeper/registry/control"
)

func TestATimeIsAsLongAsTheClockSaysThatSaysMore(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ wall, running, want time.Duration }{
		{time.Minute, time.Minute, time.Minute},
		{-time.Hour, time.Minute, time.Minute}, // set back
		{time.Hour, time.Minute, time.Hour},    // asleep, or set forward
	} {
		if got := control.Elapsed(c.wall, c.running); got != c.want {
			t.Errorf("%+v: %s have passed", c, got)
		}
	}
}

// A clock that is set back must not make old records young: whoever was
// suspended, and whose key was revoked, would go on being served.
func TestRecordsAreNotBelievedForLongerWhenTheClockIsSetBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.serving(poll(500*time.Millisecond), ttl(time.Second))
	w.takeAway()
	d.SetBack(time.Hour)
	until(t, "the records are too old", func() bool { return !d.Fresh() })
}
