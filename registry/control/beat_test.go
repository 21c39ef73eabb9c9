package control_test

import (
	"strings"
	"testing"
	"time"
)

func TestAnOutageIsToldOnceAndSoIsThatItIsOver(t *testing.T) {
	t.Parallel()
	w, log := newWorld(t), &buffer{}
	w.open(logging(log), ttl(time.Second))
	told := func(what string) int { return strings.Count(log.String(), what) }
	for outage := 1; outage <= 2; outage++ {
		w.exec("ALTER TABLE poolkeeper.replicas RENAME TO elsewhere") // no process can tell that it is there
		until(t, "the outage is told", func() bool { return told("the control database cannot be reached") == outage })
		w.exec("ALTER TABLE poolkeeper.elsewhere RENAME TO replicas")
		until(t, "its end is told", func() bool { return told("the control database can be reached again") == outage })
	}
}
