package apikey_test

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/apikey"
)

// made is a key with its text.
type made struct {
	apikey.Stored
	text string
}

func make1(p apikey.Pepper, tenant string, change ...func(*apikey.Key)) made {
	text, id := apikey.Generate()
	k := apikey.Key{ID: id, Tenant: registry.MustParseID(tenant), Scope: apikey.ScopeWrite, Version: 1}
	for _, change := range change {
		change(&k)
	}
	return made{apikey.Stored{Key: k, Hash: p.Hash(text.Reveal(), k.Tenant, k.Scope)}, text.Reveal()}
}

// ring has the given keys.
func ring(p apikey.Pepper, keys ...made) *apikey.Ring {
	r := apikey.NewRing()
	r.Season(p)
	for _, k := range keys {
		r.Apply([]apikey.Stored{k.Stored}, nil)
	}
	return r
}

// noon is when most tests take place.
func noon() time.Time { return time.Date(2026, 7, 1, 12, 0, 0, 123456000, time.UTC) }

func TestATextIsTheKeyItWasMadeFor(t *testing.T) {
	t.Parallel()
	p := apikey.NewPepper()
	acme := make1(p, "acme", func(k *apikey.Key) { k.Scope, k.ExpiresAt, k.Version = apikey.ScopeRead, noon().Add(time.Hour), 7 })
	globex := make1(p, "globex")
	r := ring(p, acme, globex)
	for _, k := range []made{acme, globex} {
		got, err := r.Verify(k.text, noon())
		if err != nil || got != k.Key {
			t.Errorf("got %+v, %v\nwant %+v", got, err, k.Key)
		}
	}
}

func TestWhatIsNotWhollyAKeysTextIsUnknown(t *testing.T) {
	t.Parallel()
	p := apikey.NewPepper()
	acme, globex := make1(p, "acme"), make1(p, "globex")
	revoked := make1(p, "acme", func(k *apikey.Key) { k.RevokedAt = noon() })
	other, _ := apikey.Generate()
	secret := func(of string) string { return of[len("pk_")+12:] }
	r := ring(p, acme, globex, revoked)
	for name, text := range map[string]string{
		"nobody's":                    other.Reveal(),
		"the secret of another key":   acme.text[:len(acme.text)-33] + secret(globex.text),
		"the id of another key":       acme.text[:15] + secret(other.Reveal()),
		"one character":               acme.text[:47] + flipped(acme.text[47:]),
		"a revoked one's id":          revoked.text[:15] + secret(other.Reveal()),
		"a secret in the other case ": acme.text[:16] + strings.ToUpper(acme.text[16:47]) + flipped(acme.text[47:]),
	} {
		k, err := r.Verify(text, noon())
		if !errors.Is(err, apikey.ErrUnknown) || k != (apikey.Key{}) {
			t.Errorf("%s: %+v, %v", name, k, err)
		}
		if err != nil && (strings.Contains(err.Error(), text[16:]) || !strings.Contains(err.Error(), text[:15])) {
			t.Errorf("%s: the error should name the id and no more: %v", name, err)
		}
	}
	if _, err := r.Verify("Bearer", noon()); !errors.Is(err, apikey.ErrMalformed) {
		t.Errorf("no text of a key: %v", err)
	}
	if _, err := ring(apikey.NewPepper(), acme).Verify(acme.text, noon()); !errors.Is(err, apikey.ErrUnknown) {
		t.Errorf("under another pepper: %v", err)
	}
	if _, err := apikey.NewRing().Verify(acme.text, noon()); !errors.Is(err, apikey.ErrUnknown) {
		t.Errorf("without a pepper: %v", err)
	}
}

func flipped(c string) string {
	if c == "a" {
		return "b"
	}
	return "a"
}

func TestAKeyEndsWhenItIsSaidTo(t *testing.T) {
	t.Parallel()
	p, end := apikey.NewPepper(), noon().Add(time.Minute)
	k := make1(p, "acme", func(k *apikey.Key) { k.ExpiresAt = end })
	r := ring(p, k)
	if _, err := r.Verify(k.text, end.Add(-time.Nanosecond)); err != nil {
		t.Errorf("a moment before its end: %v", err)
	}
	if _, err := r.Verify(k.text, end); !errors.Is(err, apikey.ErrExpired) {
		t.Errorf("at its end: %v", err)
	}
	k.ExpiresAt = time.Time{}
	r.Apply([]apikey.Stored{k.Stored}, nil)
	if _, err := r.Verify(k.text, end); err != nil {
		t.Errorf("with the end taken away: %v", err)
	}
	k.RevokedAt, k.ExpiresAt = noon(), end
	r.Apply([]apikey.Stored{k.Stored}, nil)
	for _, at := range []time.Time{noon().Add(-time.Hour), end.Add(time.Hour)} { // clocks differ
		if _, err := r.Verify(k.text, at); !errors.Is(err, apikey.ErrRevoked) || !strings.Contains(err.Error(), k.Prefix()) {
			t.Errorf("revoked, at %s: %v", at, err)
		}
	}
	r.Apply(nil, []string{k.ID})
	if _, err := r.Verify(k.text, noon()); !errors.Is(err, apikey.ErrUnknown) || r.Len() != 0 {
		t.Errorf("removed: %v; %d keys", err, r.Len())
	}
}

func TestWhatEndedLongAgoIsForgotten(t *testing.T) {
	t.Parallel()
	p := apikey.NewPepper()
	long, lately := noon().Add(-48*time.Hour), noon().Add(-time.Hour)
	gone := []made{
		make1(p, "acme", func(k *apikey.Key) { k.RevokedAt = long }),
		make1(p, "acme", func(k *apikey.Key) { k.ExpiresAt = long }),
	}
	kept := []made{
		make1(p, "acme"), make1(p, "acme", func(k *apikey.Key) { k.RevokedAt = lately }),
		make1(p, "acme", func(k *apikey.Key) { k.ExpiresAt = lately }),
		make1(p, "acme", func(k *apikey.Key) { k.ExpiresAt = noon().Add(time.Hour) }),
	}
	r := ring(p, append(slices.Clone(gone), kept...)...)
	r.Forget(noon().Add(-24 * time.Hour))
	for _, k := range gone {
		if _, err := r.Verify(k.text, noon()); !errors.Is(err, apikey.ErrUnknown) {
			t.Errorf("one that ended long ago: %v", err)
		}
	}
	for i, want := range []error{nil, apikey.ErrRevoked, apikey.ErrExpired, nil} {
		if _, err := r.Verify(kept[i].text, noon()); !errors.Is(err, want) {
			t.Errorf("kept %d: %v, want %v", i, err, want)
		}
	}
}

func TestUsesAreTakenOnceTheyWereTold(t *testing.T) {
	t.Parallel()
	p := apikey.NewPepper()
	used, idle, ended := make1(p, "acme"), make1(p, "acme"), make1(p, "acme", func(k *apikey.Key) { k.RevokedAt = noon() })
	r := ring(p, used, idle, ended)
	verify := func(at time.Time) {
		for _, text := range []string{used.text, ended.text, used.text[:47] + flipped(used.text[47:])} {
			_, _ = r.Verify(text, at)
		}
	}
	verify(noon().Add(time.Second))
	verify(noon()) // by a clock that went back
	want := []apikey.Use{{ID: used.ID, At: noon().Add(time.Second).Truncate(time.Second)}}
	for range 2 { // nobody was told
		if got := r.Uses(); !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	}
	r.Told(append(r.Uses(), apikey.Use{ID: "gone", At: noon()}))
	if got := r.Uses(); len(got) != 0 {
		t.Errorf("told again: %v", got)
	}
	used.Name = "another"
	r.Apply([]apikey.Stored{used.Stored}, nil)
	if got := r.Uses(); len(got) != 0 {
		t.Errorf("after a change of the key: %v", got)
	}
	verify(noon().Add(time.Minute))
	if got := r.Uses(); len(got) != 1 || !got[0].At.Equal(noon().Add(time.Minute).Truncate(time.Second)) {
		t.Errorf("used again: %v", got)
	}
}

// Whoever verifies while others change sees each key as it was or as it is.
func TestVerifyingGoesOnWhileKeysChange(t *testing.T) {
	t.Parallel()
	p := apikey.NewPepper()
	stays, changes := make1(p, "acme"), make1(p, "globex")
	r := ring(p, stays, changes)
	stop := make(chan struct{})
	var verifying sync.WaitGroup
	for range 4 {
		verifying.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if k, err := r.Verify(stays.text, noon()); err != nil || k.Tenant != stays.Tenant {
					t.Errorf("the key that stays: %+v, %v", k, err)
					return
				}
				if _, err := r.Verify(changes.text, noon()); err != nil && !errors.Is(err, apikey.ErrUnknown) && !errors.Is(err, apikey.ErrRevoked) {
					t.Errorf("the key that changes: %v", err)
					return
				}
			}
		})
	}
	for i := range 2000 {
		switch revoked := changes.Stored; i % 4 {
		case 0:
			revoked.RevokedAt = noon()
			r.Apply([]apikey.Stored{revoked}, nil)
		case 1:
			r.Apply(nil, []string{changes.ID})
		case 2:
			r.Load([]apikey.Stored{stays.Stored})
			r.Told(r.Uses())
		case 3:
			r.Apply([]apikey.Stored{changes.Stored}, nil)
		}
	}
	close(stop)
	verifying.Wait()
}

// Whoever can write where keys are stored has one of his own to begin with.
func TestAStoredKeyCannotBeGivenAnotherTenantOrScope(t *testing.T) {
	t.Parallel()
	p := apikey.NewPepper()
	own := make1(p, "acme", func(k *apikey.Key) { k.Scope = apikey.ScopeRead })
	r := ring(p, own)
	if _, err := r.Verify(own.text, time.Now()); err != nil {
		t.Fatal(err)
	}
	moved, raised := own, own
	moved.Tenant = registry.MustParseID("globex")
	raised.Scope = apikey.ScopeWrite
	for _, k := range []made{moved, raised} {
		r.Apply([]apikey.Stored{k.Stored}, nil)
		if got, err := r.Verify(own.text, time.Now()); !errors.Is(err, apikey.ErrUnknown) {
			t.Errorf("%+v, %v", got, err)
		}
	}
}
