package adminapi_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/poolkeeper/poolkeeper/cmd/poolkeeper/adminapi"
	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/server/adminwire"
)

// waitFor follows an operation, whose stream is the handler's, and which is in
// that state when asked for; it returns how it was last known and how long
// that took.
func waitFor(t *testing.T, state string, stream http.HandlerFunc) (adminwire.Operation, time.Duration) {
	t.Helper()
	client, err := adminapi.New(adminapi.Config{
		Server: "http://localhost",
		Transport: adminapi.InProcess(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "/events") {
				stream(w, r)
				return
			}
			_ = json.NewEncoder(w).Encode(adminwire.Operation{ID: "op1", State: state, Step: "asked for"})
		})),
	})
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	op, err := client.Follow(t.Context(), "op1", nil)
	if err != nil {
		t.Error(err)
	}
	return op, time.Since(began)
}

// tells writes one event, in this state.
func tells(w http.ResponseWriter, state string) {
	text, _ := json.Marshal(adminwire.Operation{ID: "op1", State: state, Step: "told"})
	fmt.Fprintf(w, "event: operation\ndata: %s\n\n", text)
	_ = http.NewResponseController(w).Flush()
}

// A network that forgets a connection tells nobody. A comment is a sign of
// life, so that slow work is not taken for a dead stream.
func TestAStreamThatFallsSilentIsTakenForDead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		streams := 0
		op, took := waitFor(t, adminapi.StateRunning, func(w http.ResponseWriter, r *http.Request) {
			if streams++; streams > 1 {
				tells(w, adminapi.StateDone)
				return
			}
			tells(w, adminapi.StateRunning)
			for range 3 {
				<-time.After(40 * time.Second)
				fmt.Fprint(w, ":\n\n")
			}
			<-r.Context().Done()
		})
		if op.State != adminapi.StateDone || streams != 2 || took < 2*time.Minute || took > 3*time.Minute {
			t.Errorf("%+v after %v and %d streams", op, took, streams)
		}
	})
}

func TestAStreamThatNeverSaidAnythingIsTakenForDead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		op, took := waitFor(t, adminapi.StateDone, func(w http.ResponseWriter, r *http.Request) {
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		})
		if op.Step != "asked for" || took > time.Minute {
			t.Errorf("%+v after %v", op, took)
		}
	})
}

// A server that is away twice for 40 seconds is not away for a minute.
func TestPatienceBeginsAnewWhenTheServerIsHeard(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		back, streams := time.Now().Add(40*time.Second), 0
		op, took := waitFor(t, adminapi.StateRunning, func(w http.ResponseWriter, _ *http.Request) {
			if time.Now().Before(back) {
				w.WriteHeader(http.StatusServiceUnavailable)
				fmt.Fprint(w, `{"code":"not_ready"}`)
				return
			}
			if streams++; streams == 1 {
				back = time.Now().Add(40 * time.Second)
				tells(w, adminapi.StateRunning)
				return
			}
			tells(w, adminapi.StateDone)
		})
		if op.State != adminapi.StateDone || took < 80*time.Second {
			t.Errorf("%+v after %v", op, took)
		}
	})
}

func TestNeitherTokenNorBodyFollowARedirect(t *testing.T) {
	t.Parallel()
	var reached atomic.Bool
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Store(true) }))
	defer elsewhere.Close()
	here := httptest.NewServer(http.RedirectHandler(elsewhere.URL, http.StatusTemporaryRedirect))
	defer here.Close()
	client, err := adminapi.New(adminapi.Config{
		Server: here.URL, Token: registry.NewSecret("t0ken"), Transport: &http.Transport{DisableKeepAlives: true},
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = client.Do(t.Context(), adminapi.Call{Method: http.MethodPost, Path: []string{"tenants"}, Body: "secret"})
	if !errors.Is(err, adminapi.ErrForeign) || reached.Load() {
		t.Errorf("%v; the other server was reached: %v", err, reached.Load())
	}
}
