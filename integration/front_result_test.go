package integration_test

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
	"strings"
	"testing"
	"time"
)

// resultSize is how many bytes the great results have: POOLKEEPER_RESULT, such
// as 1GiB, or a size that fits a run of the whole suite.
func resultSize(t *testing.T) int64 {
	t.Helper()
	text := os.Getenv("POOLKEEPER_RESULT")
	if text == "" {
		return 100_000_000
	}
	unit := int64(1)
	for suffix, size := range map[string]int64{"GiB": 1 << 30, "MiB": 1 << 20} {
		if number, ok := strings.CutSuffix(text, suffix); ok {
			text, unit = number, size
		}
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		t.Fatalf("POOLKEEPER_RESULT is %q, not a size such as 1GiB", text)
	}
	return n * unit
}

// watchHeap returns a function that stops watching, and returns the greatest
// size of the heap's objects since then, dead ones that wait for the collector
// included, beyond what it was.
func watchHeap() (stop func() uint64) {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	read := func() uint64 { metrics.Read(sample); return sample[0].Value.Uint64() }
	debug.FreeOSMemory()
	before, most := read(), uint64(0)
	stopping, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for {
			most = max(most, read())
			select {
			case <-tick.C:
			case <-stopping:
				return
			}
		}
	}()
	return func() uint64 {
		close(stopping)
		<-stopped
		return max(most, before) - before
	}
}

// Criterion: a result of a gigabyte passes over NDJSON in bounded memory; over
// JSON it is 507 without having been collected first.
func TestAGreatResultPassesInBoundedMemory(t *testing.T) { // not parallel: it looks at the memory of the process
	const bound = 64 << 20
	d := newFront(t, frontPlan{tenants: map[string]string{"great": "own"}})
	size := resultSize(t)
	rows := size/1000 + 1
	body := fmt.Sprintf(`{"query":"select repeat('x', 1000) as filler from generate_series(1, %d)","arrayMode":true}`, rows)
	for _, protocol := range []string{"http/1.1", "h2"} {
		stop := watchHeap()
		began := time.Now()
		got, last := d.discard(t, protocol, body)
		took, peak := time.Since(began), stop()
		t.Logf("%s: %d bytes in %v; the heap of server and client grew by %d kB at most", protocol, got, took.Round(time.Millisecond), peak>>10)
		if got < size || !strings.HasSuffix(last, fmt.Sprintf("{\"command\":\"SELECT\",\"rowCount\":%d}\n", rows)) {
			t.Errorf("%s: %d bytes, which end in %s", protocol, got, last)
		}
		if peak > bound {
			t.Errorf("%s: the heap grew by %d bytes", protocol, peak)
		}
		stop = watchHeap()
		r, err := d.ask(t.Context(), d.client(t, protocol), "great", body)
		peak = stop()
		t.Logf("%s: as JSON it is refused, and the heap grew by %d kB at most", protocol, peak>>10)
		if err != nil || r.status != http.StatusInsufficientStorage || !strings.Contains(r.body, `"code":"result_too_large"`) {
			t.Errorf("%s: as JSON: status %d: %.200s, %v", protocol, r.status, r.body, err)
		}
		if peak > bound {
			t.Errorf("%s: as JSON the heap grew by %d bytes", protocol, peak)
		}
	}
}

// discard reads a stream to its end and keeps its last bytes.
func (d *front) discard(t *testing.T, protocol, body string) (n int64, last string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, d.url+"/t/great/sql", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", "application/x-ndjson")
	res, err := d.client(t, protocol).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	buf := make([]byte, 64<<10)
	for {
		k, err := res.Body.Read(buf)
		n += int64(k)
		if k > 0 {
			last = (last + string(buf[max(0, k-100):k]))
			last = last[max(0, len(last)-100):]
		}
		if err == io.EOF {
			return n, last
		}
		if err != nil {
			t.Fatalf("after %d bytes: %v", n, err)
		}
	}
}
