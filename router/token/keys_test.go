package token_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/poolkeeper/poolkeeper/router/token"
)

func TestANewKeyIsNoticedByItsName(t *testing.T) {
	t.Parallel()
	oldPublic, old := edKey(t)
	newPublic, fresh := edKey(t)
	synctest.Test(t, func(t *testing.T) {
		i := &issuer{TB: t}
		i.publish("old", oldPublic)
		v := verifier(t, published(), i)
		believed(t, v, sign(t, jwt.SigningMethodEdDSA, "old", old, claims(nil)))
		time.Sleep(token.AskAgain)
		i.withdraw()
		i.publish("new", newPublic)
		believed(t, v, sign(t, jwt.SigningMethodEdDSA, "new", fresh, claims(nil)))
		refused(t, v, sign(t, jwt.SigningMethodEdDSA, "old", old, claims(nil)), token.ErrSignature)
	})
}

func TestInventedNamesCauseFewQuestions(t *testing.T) {
	t.Parallel()
	public, private := edKey(t)
	synctest.Test(t, func(t *testing.T) {
		i := &issuer{TB: t}
		i.publish("known", public)
		v := verifier(t, published(), i)
		for n := range 1000 {
			refused(t, v, sign(t, jwt.SigningMethodEdDSA, fmt.Sprint("invented ", n), private, claims(nil)), token.ErrSignature)
			time.Sleep(10 * time.Millisecond)
		}
		if got := i.asked(); got > 2 { // ten seconds have passed
			t.Errorf("the issuer was asked %d times", got)
		}
	})
}

func TestThoseWhoWaitForTheFirstKeysCauseOneQuestion(t *testing.T) {
	t.Parallel()
	public, private := edKey(t)
	synctest.Test(t, func(t *testing.T) {
		i := &issuer{TB: t}
		i.publish("known", public)
		v := verifier(t, published(), i)
		text := sign(t, jwt.SigningMethodEdDSA, "known", private, claims(nil))
		var all sync.WaitGroup
		for range 100 {
			all.Go(func() { believed(t, v, text) })
		}
		all.Wait()
		if got := i.asked(); got != 1 {
			t.Errorf("the issuer was asked %d times", got)
		}
	})
}

func TestAWithdrawnKeyStopsCountingWithTheNextReading(t *testing.T) {
	t.Parallel()
	public, private := edKey(t)
	other, _ := edKey(t)
	synctest.Test(t, func(t *testing.T) {
		i := &issuer{TB: t}
		i.publish("known", public)
		c := published()
		v := verifier(t, c, i)
		text := func() string { return sign(t, jwt.SigningMethodEdDSA, "known", private, claims(nil)) }
		believed(t, v, text())
		i.withdraw()
		i.publish("other", other)
		time.Sleep(c.Refresh)
		believed(t, v, text()) // nobody waits for the reading that is due
		synctest.Wait()
		refused(t, v, text(), token.ErrSignature)
	})
}

func TestAnOutageOfTheIssuerIsOutlasted(t *testing.T) {
	t.Parallel()
	public, private := edKey(t)
	synctest.Test(t, func(t *testing.T) {
		i := &issuer{TB: t}
		i.publish("known", public)
		c := published()
		v := verifier(t, c, i)
		text := func(kid string) string { return sign(t, jwt.SigningMethodEdDSA, kid, private, claims(nil)) }
		believed(t, v, text("known"))
		i.fails(errDown)
		for range 23 {
			time.Sleep(time.Hour)
			believed(t, v, text("known"))
			synctest.Wait()
		}
		refused(t, v, text("new"), token.ErrKeys) // it may be one that came meanwhile
		time.Sleep(c.KeepFor)
		refused(t, v, text("known"), token.ErrKeys)
		i.fails(nil)
		time.Sleep(token.AskAgain)
		believed(t, v, text("known"))
	})
}

func TestWithoutAnyKeysNobodyCanTell(t *testing.T) {
	t.Parallel()
	_, private := edKey(t)
	synctest.Test(t, func(t *testing.T) {
		i := &issuer{TB: t}
		i.fails(errDown)
		v := verifier(t, published(), i)
		for range 100 {
			refused(t, v, sign(t, jwt.SigningMethodEdDSA, "known", private, claims(nil)), token.ErrKeys)
		}
		if got := i.asked(); got != 1 {
			t.Errorf("the issuer was asked %d times", got)
		}
	})
}

func TestWhoeverLeavesIsNotKeptByASilentIssuer(t *testing.T) {
	t.Parallel()
	_, private := edKey(t)
	text := sign(t, jwt.SigningMethodEdDSA, "known", private, claims(nil))
	silent := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	t.Cleanup(silent.Close)
	c := published()
	c.JWKS = silent.URL
	v, err := token.New(c, nil)
	must(t, err)
	t.Cleanup(v.Close) // ends the question that is under way
	ctx, leave := context.WithCancel(t.Context())
	leave()
	if _, err := v.Verify(ctx, text); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestKeysComeByHTTP(t *testing.T) {
	t.Parallel()
	public, private := edKey(t)
	i := &issuer{TB: t}
	i.publish("known", public)
	answers := map[string]http.HandlerFunc{
		"/jwks":    func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(i.set())) },
		"/missing": http.NotFound,
		"/moved":   func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/jwks", http.StatusFound) },
		"/page":    func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) },
		"/empty":   func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"keys":[]}`)) },
		"/too-much": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(strings.Repeat(" ", token.MaxSet) + i.set()))
		},
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { answers[r.URL.Path](w, r) }))
	t.Cleanup(server.Close)
	text := sign(t, jwt.SigningMethodEdDSA, "known", private, claims(nil))
	for path := range answers {
		c := published()
		c.JWKS = server.URL + path
		v := verifier(t, c, nil)
		if path == "/jwks" {
			believed(t, v, text)
			continue
		}
		refused(t, v, text, token.ErrKeys)
	}
}

func TestAFileOfKeysIsFollowed(t *testing.T) {
	t.Parallel()
	oldPublic, _ := edKey(t)
	newPublic, fresh := edKey(t)
	name := filepath.Join(t.TempDir(), "jwks.json")
	i := &issuer{TB: t}
	i.publish("old", oldPublic)
	must(t, os.WriteFile(name, []byte(i.set()), 0o600))
	synctest.Test(t, func(t *testing.T) {
		c := published()
		c.JWKS = name
		v := verifier(t, c, nil)
		i.publish("new", newPublic)
		must(t, os.WriteFile(name, []byte(i.set()), 0o600))
		time.Sleep(token.AskAgain)
		believed(t, v, sign(t, jwt.SigningMethodEdDSA, "new", fresh, claims(nil)))
	})
}

func TestAFileThatCannotBeReadIsAnErrorAtTheStart(t *testing.T) {
	t.Parallel()
	empty := filepath.Join(t.TempDir(), "jwks.json")
	must(t, os.WriteFile(empty, []byte(`{"keys":[]}`), 0o600))
	for name, want := range map[string]string{
		filepath.Join(t.TempDir(), "missing.json"): "jwt.jwks: open ",
		empty: "jwt.jwks: the set has no key",
	} {
		c := published()
		c.JWKS = name
		if _, err := token.New(c, nil); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%v; want %s", err, want)
		}
	}
}
