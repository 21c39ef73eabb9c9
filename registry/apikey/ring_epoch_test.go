package apikey_test

import (
	"errors"
	"testing"
	"time"

	"github.com/poolkeeper/poolkeeper/registry/apikey"
)

// 1970 is a time like any other for whoever says when a key ends.
func TestAKeyThatEndedWhenTimeBeganHasEnded(t *testing.T) {
	t.Parallel()
	p := apikey.NewPepper()
	for _, at := range []time.Time{time.Unix(0, 0), time.Unix(0, 400), time.Unix(0, -400), time.Unix(-1, 0)} {
		expired := make1(p, "acme", func(k *apikey.Key) { k.ExpiresAt = at })
		revoked := make1(p, "acme", func(k *apikey.Key) { k.RevokedAt = at })
		r := ring(p, expired, revoked)
		for text, want := range map[string]error{expired.text: apikey.ErrExpired, revoked.text: apikey.ErrRevoked} {
			if _, err := r.Verify(text, noon()); !errors.Is(err, want) {
				t.Errorf("ended at %v: got %v, want %v", at.UTC(), err, want)
			}
		}
		if r.Forget(noon()); r.Len() != 0 {
			t.Errorf("ended at %v: %d are kept", at.UTC(), r.Len())
		}
	}
}
