package server_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/poolkeeper/poolkeeper/pools"
	"github.com/poolkeeper/poolkeeper/server"
)

const sleeping = `{"query":"select pg_sleep(60)"}`

func TestTwoTenantsWithTheSameTableSeeTheirOwnRows(t *testing.T) {
	t.Parallel()
	w := newWhole(t, nil)
	client := newClient(t)
	var group sync.WaitGroup
	for i := range 40 {
		group.Go(func() {
			tenant := []string{"red", "blue"}[i%2]
			body := []string{
				`{"query":"select tenant from items"}`, `{"query":"set search_path = public"}`, `{"query":"reset all"}`, `{"query":"discard all"}`,
				`{"query":"begin"}`, `{"query":"select 1/0"}`, `{"queries":[{"query":"select tenant from items"},{"query":"nonsense"}]}`,
			}[i%7]
			if _, err := w.try(t.Context(), client, tenant, body); err != nil {
				t.Error(err)
			}
			r, err := w.try(t.Context(), client, tenant, `{"query":"select tenant from items","arrayMode":true}`)
			if err != nil || r.status != http.StatusOK || !strings.Contains(r.body, `"rows":[["`+tenant+`"]]`) {
				t.Errorf("%s got status %d, %s (%v)", tenant, r.status, r.body, err)
			}
		})
	}
	group.Wait()
	if r := w.post(t, "red", `{"query":"select tenant from blue.items"}`); r.status != http.StatusBadRequest || r.object(t)["code"] != "42501" {
		t.Errorf("another tenant's table: status %d: %s", r.status, r.body)
	}
}

func TestAClientThatLeavesLeavesNoStatementBehind(t *testing.T) {
	t.Parallel()
	w := newWhole(t, func(_ *server.Config, p *pools.Config) { p.MaxConns = 1 })
	ctx, leave := context.WithCancel(t.Context())
	gone := make(chan error, 1)
	client := newClient(t)
	go func() {
		_, err := w.try(ctx, client, "red", sleeping)
		gone <- err
	}()
	waitFor(t, func() bool { return w.running(t, "pg_sleep") == 1 })
	leave()
	if err := <-gone; !errors.Is(err, context.Canceled) {
		t.Fatalf("the request ended with %v", err)
	}
	waitFor(t, func() bool { return w.running(t, "pg_sleep") == 0 })
	// The tenant's only connection is free again.
	if r := w.post(t, "red", `{"query":"select tenant from items"}`); r.status != http.StatusOK {
		t.Errorf("status %d: %s", r.status, r.body)
	}
}

func TestADeadlineEndsTheStatementEvenWhenSQLLiftedItsOwn(t *testing.T) {
	t.Parallel()
	w := newWhole(t, func(c *server.Config, _ *pools.Config) { c.SQL.Timeout = time.Second })
	for name, body := range map[string]string{
		"single": sleeping,
		"batch":  `{"queries":[{"query":"set local statement_timeout = 0"},{"query":"select pg_sleep(60)"}]}`,
	} {
		began := time.Now()
		r := w.post(t, "red", body)
		if took := time.Since(began); r.status != http.StatusGatewayTimeout || took > 20*time.Second {
			t.Errorf("%s: status %d after %v: %s", name, r.status, took, r.body)
		}
	}
	r := w.post(t, "red", sleeping, "X-Request-Timeout", "100ms", "Accept", "application/x-ndjson")
	if r.status != http.StatusGatewayTimeout {
		t.Errorf("a stream that has not begun: status %d: %s", r.status, r.body)
	}
	waitFor(t, func() bool { return w.running(t, "pg_sleep") == 0 })
	if r := w.post(t, "red", `{"query":"select tenant from items"}`); r.status != http.StatusOK {
		t.Errorf("afterwards: status %d: %s", r.status, r.body)
	}
}

func TestAMillionRowsAreStreamedInBoundedMemory(t *testing.T) { // not parallel: it looks at the memory of the process
	w := newWhole(t, nil)
	const rows = 1_000_000
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.url+"/t/red/sql",
		strings.NewReader(`{"query":"select i, repeat('x', 100) as filler from generate_series(1, 1000000) i","arrayMode":true}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", "application/x-ndjson")
	res, err := newClient(t).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	lines, last, most := readLines(t, bufio.NewReaderSize(res.Body, 64<<10))
	var trailer struct {
		RowCount int `json:"rowCount"`
	}
	if err := json.Unmarshal([]byte(last), &trailer); err != nil || trailer.RowCount != rows || lines != rows+2 {
		t.Errorf("%d lines, the last one %s (%v)", lines, last, err)
	}
	if most > 64<<20 { // the answer has more than 110 MB
		t.Errorf("the heap grew to %d bytes", most)
	}
}

// readLines returns how many lines there are, the last one, and the greatest
// heap seen on the way.
func readLines(t *testing.T, r *bufio.Reader) (lines int, last string, most uint64) {
	t.Helper()
	var stats runtime.MemStats
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return lines, last, most
		}
		if lines++; lines%100_000 == 2 { // the trailer is line 1,000,002
			runtime.ReadMemStats(&stats)
			most, last = max(most, stats.HeapAlloc), string(line)
		}
	}
}

func TestAStopLetsAQueryFinishAndLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	w := newWhole(t, nil)
	answer := make(chan reply, 1)
	client := newClient(t)
	go func() {
		r, err := w.try(context.WithoutCancel(t.Context()), client, "red", `{"query":"select tenant, pg_sleep(3) from items"}`)
		if err != nil {
			t.Error(err)
		}
		answer <- r
	}()
	waitFor(t, func() bool { return w.running(t, "pg_sleep") == 1 })
	if err := w.stop(); err != nil {
		t.Errorf("the stop: %v", err)
	}
	if r := <-answer; r.status != http.StatusOK || !strings.Contains(r.body, `"red"`) {
		t.Errorf("status %d: %s", r.status, r.body)
	}
	if len(w.keeper.Stats()) != 0 {
		t.Errorf("pools are left: %+v", w.keeper.Stats())
	}
}

func TestAStopCutsAQueryThatOutlivesTheDrainTimeout(t *testing.T) {
	t.Parallel()
	w := newWhole(t, func(c *server.Config, _ *pools.Config) { c.DrainTimeout = 300 * time.Millisecond })
	status := make(chan int, 1)
	client := newClient(t)
	go func() {
		r, err := w.try(context.WithoutCancel(t.Context()), client, "red", sleeping)
		if err != nil {
			t.Error(err)
		}
		status <- r.status
	}()
	waitFor(t, func() bool { return w.running(t, "pg_sleep") == 1 })
	began := time.Now()
	if err := w.stop(); !errors.Is(err, server.ErrCut) {
		t.Errorf("the stop: %v", err)
	}
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("the stop took %v", took)
	}
	if got := <-status; got != http.StatusServiceUnavailable {
		t.Errorf("status %d", got)
	}
	waitFor(t, func() bool { return w.running(t, "pg_sleep") == 0 })
}

func TestPoolsAreSeenAndEvictedOverTheAdminAPI(t *testing.T) {
	t.Parallel()
	w := newWhole(t, nil)
	w.post(t, "red", `{"query":"select 1"}`)
	shown := fmt.Sprint(get(t, w.admin+"/v1/pools/red").object(t)["pools"])
	if !strings.Contains(shown, "tenant:red") || !strings.Contains(shown, "state:ready") {
		t.Errorf("the pool is %s", shown)
	}
	if res := do(t, w.admin+"/v1/pools/red/evict", nil); res.StatusCode != http.StatusOK {
		t.Fatalf("status %d", res.StatusCode)
	}
	waitFor(t, func() bool { return get(t, w.admin+"/v1/pools/red").status == http.StatusNotFound })
	if r := w.post(t, "red", `{"query":"select tenant from items"}`); r.status != http.StatusOK {
		t.Errorf("after the eviction: status %d: %s", r.status, r.body)
	}
}

func get(t *testing.T, url string) reply {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := newClient(t).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var text strings.Builder
	if _, err := bufio.NewReader(res.Body).WriteTo(&text); err != nil {
		t.Fatal(err)
	}
	return reply{res.StatusCode, res.Header, text.String()}
}

func TestASlowReaderHoldsNeitherConnectionNorLease(t *testing.T) {
	t.Parallel()
	w := newWhole(t, nil)
	body := `{"query":"select repeat('x', 9000000)"}`
	var dialer net.Dialer
	conn, err := dialer.DialContext(t.Context(), "tcp", strings.TrimPrefix(w.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "POST /t/red/sql HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	if _, err := conn.Read(make([]byte, 1)); err != nil { // the answer has begun
		t.Fatal(err)
	}
	stats := w.keeper.Stats()
	if len(stats) != 1 || stats[0].Leases != 0 || stats[0].Acquired != 0 {
		t.Errorf("while the answer is written: %+v", stats)
	}
}
