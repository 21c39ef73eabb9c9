package server_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/poolkeeper/poolkeeper/pools"
	"github.com/poolkeeper/poolkeeper/router"
	"github.com/poolkeeper/poolkeeper/server"
)

// logged counts the lines with this message by their level.
func logged(t *testing.T, h *harness, message string) map[string]int {
	t.Helper()
	levels := map[string]int{}
	for line := range strings.Lines(h.log.String()) {
		var l struct{ Level, Msg string }
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Fatal(err)
		}
		if l.Msg == message {
			levels[l.Level]++
		}
	}
	return levels
}

func TestALimitThatIsReachedIsNoWarning(t *testing.T) {
	t.Parallel()
	h := newHarness(t, rated(t))
	for range 20 {
		h.post(t, "/sql", `{"query":"one"}`, "X-Tenant-ID", "acme")
	}
	if got := logged(t, h, "request"); got["INFO"] != 20 {
		t.Errorf("20 requests, 15 of them refused, are logged as %v", got)
	}
	if line := lastLine(t, h); line["tenant"] != "acme" || line["code"] != "tenant_limit" || line["peer"] != nil {
		t.Errorf("the line of a refusal is %v", line)
	}
}

func TestAClientInALoopWarnsOnceInAWhile(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t)
		var err error
		h.server.SetAcquire(func(context.Context, *router.Visit) (server.Session, error) { return nil, err })
		ask := func(n int) {
			for range n {
				h.post(t, "/sql", `{"query":"one"}`, "X-Tenant-ID", "acme")
			}
		}
		err = pools.ErrBudget
		ask(100)
		if got := fmt.Sprint(logged(t, h, "request")); got != "map[INFO:99 WARN:1]" {
			t.Errorf("a hundred of one kind: %s", got)
		}
		err = pools.ErrDatabase
		ask(100)
		if got := fmt.Sprint(logged(t, h, "request")); got != "map[INFO:198 WARN:2]" {
			t.Errorf("and of another: %s", got)
		}
		time.Sleep(10 * time.Second) // of the bubble's clock
		ask(100)
		if got := fmt.Sprint(logged(t, h, "request")); got != "map[INFO:297 WARN:3]" {
			t.Errorf("and ten seconds later: %s", got)
		}
	})
}

func TestKindsThatClientsMakeUpAreFew(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h, loud := newHarness(t), 0
		for i := range 1000 {
			if h.server.TakeOccasion(fmt.Sprint("kind ", i)) {
				loud++
			}
		}
		if loud > 65 {
			t.Errorf("%d of 1000 kinds stand out at once", loud)
		}
		time.Sleep(10 * time.Second) // of the bubble's clock
		if !h.server.TakeOccasion("one") || !h.server.TakeOccasion("two") {
			t.Error("two kinds are one, though all that was made up is long over")
		}
	})
}

func TestFailedHandshakesAreNoWarningsAndAreToldNowAndThen(t *testing.T) {
	t.Parallel()
	h := newHarness(t, withTLS(t, newAuthority(t)))
	h.serve(t)
	const most = 30
	for i := 0; i < most || len(logged(t, h, "TLS handshake failed")) == 0; i++ { // the line comes after the answer
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", h.server.Addr())
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(conn, "GET / HTTP/1.1\r\n\r\n")
		_, _ = conn.Read(make([]byte, 100))
		conn.Close()
	}
	got := logged(t, h, "TLS handshake failed")
	if got["WARN"] > 0 || got["ERROR"] > 0 || got["INFO"] > most/2 {
		t.Errorf("%d failed handshakes are logged as %v", most, got)
	}
	if log := h.log.String(); !strings.Contains(log, `"peer":"127.0.0.1:`) {
		t.Errorf("the line does not say from where: %s", log)
	}
}

func TestWhoIsRefusedWithoutANameHasAnAddressInTheLog(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	for path, status := range map[string]int{"/t/nobody/sql": http.StatusNotFound, "/sql": http.StatusUnauthorized, "/t/acme/sql": http.StatusOK} {
		if r := h.post(t, path, `{"query":"one"}`); r.status != status {
			t.Fatalf("%s: status %d", path, r.status)
		}
		if got, want := lastLine(t, h)["peer"], map[bool]any{true: nil, false: "127.0.0.1"}[status == http.StatusOK]; got != want {
			t.Errorf("%s: the line has peer %v, want %v", path, got, want)
		}
	}
}

func TestTheLineOfAnOperatorsRequestNamesTheTenant(t *testing.T) {
	t.Parallel()
	h := newHarness(t, withOperator)
	h.ask(t, http.MethodPost, "/v1/tenants/acme/suspend", "")
	if line := lastLine(t, h); line["tenant"] != "acme" || line["request_id"] == nil {
		t.Errorf("the line is %v", line)
	}
}
