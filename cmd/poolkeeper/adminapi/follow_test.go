package adminapi_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/poolkeeper/poolkeeper/cmd/poolkeeper/adminapi"
	"github.com/poolkeeper/poolkeeper/server/adminwire"
)

func running(done int) adminwire.Operation {
	return adminwire.Operation{ID: "7", Kind: "migrate", State: adminapi.StateRunning, Done: done, Total: 9}
}

func ended(state string) adminwire.Operation {
	op := running(9)
	op.State = state
	return op
}

// tell writes an event.
func tell(w http.ResponseWriter, op adminwire.Operation) {
	text, _ := json.Marshal(op)
	_, _ = fmt.Fprintf(w, "event: operation\nid: %d\ndata: %s\n\n", op.Done, text)
	_ = http.NewResponseController(w).Flush()
}

func isStream(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "/events") }

// inProcess follows operation 7 of a handler, and returns how many were done
// at each change.
func inProcess(ctx context.Context, t *testing.T, handler http.HandlerFunc) (adminwire.Operation, []int, error) {
	t.Helper()
	c := client(t, adminapi.Config{Server: "http://localhost", Transport: adminapi.InProcess(handler)})
	var told []int
	op, err := c.Follow(ctx, "7", func(op adminwire.Operation) { told = append(told, op.Done) })
	return op, told, err
}

func TestAnOperationIsFollowedToItsEnd(t *testing.T) {
	t.Parallel()
	op, told, err := inProcess(t.Context(), t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprint(w, ": hello\n\nevent: other\ndata: x\n\n")
		tell(w, running(1))
		tell(w, running(1)) // nothing new
		tell(w, running(4))
		tell(w, ended(adminapi.StateFailed))
	})
	if err != nil || op.State != adminapi.StateFailed || !slices.Equal(told, []int{1, 4, 9}) {
		t.Errorf("%+v %v %v", op, told, err)
	}
}

func TestAStreamThatBreaksIsOpenedAnew(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		streams, looks, begun := 0, 0, time.Now()
		op, told, err := inProcess(t.Context(), t, func(w http.ResponseWriter, r *http.Request) {
			if !isStream(r) {
				looks++
				_ = json.NewEncoder(w).Encode(running(2))
				return
			}
			switch streams++; streams {
			case 1:
				tell(w, running(1))
				panic(http.ErrAbortHandler)
			case 2:
				http.Error(w, "the proxy has lost it", http.StatusBadGateway)
			case 3:
				tell(w, running(5))
				<-r.Context().Done() // a network that forgets connections tells nobody
			default:
				tell(w, ended(adminapi.StateDone))
			}
		})
		if err != nil || op.State != adminapi.StateDone || !slices.Equal(told, []int{1, 2, 5, 2, 9}) || looks != 2 {
			t.Errorf("%+v %v after %d looks: %v", op, told, looks, err)
		}
		if took := time.Since(begun); took > time.Minute {
			t.Errorf("a stream that was dead was believed for %v", took)
		}
	})
}

func TestTheEndIsFoundThoughTheStreamMissedIt(t *testing.T) {
	t.Parallel()
	op, _, err := inProcess(t.Context(), t, func(w http.ResponseWriter, r *http.Request) {
		if !isStream(r) {
			_ = json.NewEncoder(w).Encode(ended(adminapi.StateInterrupted))
		}
	})
	if err != nil || op.State != adminapi.StateInterrupted {
		t.Errorf("%+v %v", op, err)
	}
}

func TestAServerThatStaysAwayIsGivenUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		_, _, err := inProcess(t.Context(), t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
		if took := time.Since(begun); err == nil || took < time.Minute || took > 2*time.Minute {
			t.Errorf("after %v: %v", took, err)
		}
	})
}

func TestAnOperationThatIsUnknownIsAskedForOnce(t *testing.T) {
	t.Parallel()
	asked := 0
	_, _, err := inProcess(t.Context(), t, func(w http.ResponseWriter, _ *http.Request) {
		asked++
		w.WriteHeader(http.StatusNotFound)
		_, _ = fmt.Fprint(w, `{"code":"operation_unknown"}`)
	})
	if problem, ok := errors.AsType[*adminapi.ProblemError](err); !ok || problem.Code != "operation_unknown" || asked != 1 {
		t.Errorf("asked %d times: %v", asked, err)
	}
}

func TestFollowingEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	var left atomic.Bool
	op, _, err := inProcess(ctx, t, func(w http.ResponseWriter, r *http.Request) {
		tell(w, running(3))
		cancel()
		<-r.Context().Done()
		left.Store(true)
	})
	if !errors.Is(err, context.Canceled) || op.Done > 3 {
		t.Errorf("%+v %v", op, err)
	}
}

func TestAnOperationThatWentWellIsNoFailure(t *testing.T) {
	t.Parallel()
	if err := adminapi.Failure(ended(adminapi.StateDone)); err != nil {
		t.Error(err)
	}
	op := ended(adminapi.StateFailed)
	op.Code, op.Error = "busy", "acme is worked on"
	problem, ok := errors.AsType[*adminapi.ProblemError](adminapi.Failure(op))
	if !ok || problem.Code != "busy" || problem.Error() != "acme is worked on" || problem.Operation != "7" {
		t.Errorf("%+v", problem)
	}
	if err := adminapi.Failure(ended(adminapi.StateInterrupted)); err == nil || err.Error() != "the operation is interrupted" {
		t.Error(err)
	}
}
