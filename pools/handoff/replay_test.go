package handoff_test

import (
	"bytes"
	"errors"
	"net"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// result is how a Read ended.
type result struct {
	n   int
	err error
}

// reading begins a Read that has to wait.
func reading(t *testing.T, c net.Conn) <-chan result {
	t.Helper()
	ended := make(chan result, 1)
	go func() {
		n, err := c.Read(make([]byte, 1000))
		ended <- result{n, err}
	}()
	synctest.Wait()
	select {
	case r := <-ended:
		t.Fatalf("it did not wait: %d, %v", r.n, r.err)
	default:
	}
	return ended
}

func TestAReadWaitsForTheStartUpMessage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h, f := nobody(t)
		c := replayed(t, h)
		ended := reading(t, c)
		message := startupMessage(t)
		for _, piece := range [][]byte{message[:3], message[3:11], message[11 : len(message)-1]} {
			if _, err := c.Write(piece); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			if len(ended) != 0 {
				t.Fatal("it came too early")
			}
		}
		if n, err := c.Write(append(message[len(message)-1:], "more"...)); n != 5 || err != nil {
			t.Error(n, err)
		}
		if r := <-ended; r.err != nil || r.n != len(greeting(t)) {
			t.Errorf("%d bytes of %d, %v", r.n, len(greeting(t)), r.err)
		}
		if got := string(f.written()); got != "more" {
			t.Errorf("the server got %q", got)
		}
	})
}

func TestAReadThatWaitsHonoursItsDeadline(t *testing.T) {
	t.Parallel()
	for name, set := range map[string]func(net.Conn, time.Time) error{"both": net.Conn.SetDeadline, "read": net.Conn.SetReadDeadline} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h, _ := nobody(t)
				c := replayed(t, h)
				ended := reading(t, c)
				begin := time.Now()
				_ = set(c, begin.Add(time.Hour))
				_ = set(c, begin.Add(time.Minute)) // it may change while the Read waits
				r := <-ended
				if !errors.Is(r.err, os.ErrDeadlineExceeded) || time.Since(begin) != time.Minute {
					t.Errorf("after %s: %v", time.Since(begin), r.err)
				}
				if timeout, ok := errors.AsType[net.Error](r.err); !ok || !timeout.Timeout() {
					t.Error("pgx sees no timeout in it")
				}
				if _, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("the deadline is forgotten: %v", err)
				}
				_ = set(c, begin.Add(-time.Hour))
				_ = set(c, time.Time{})
				_ = c.SetWriteDeadline(begin) // it is not for reads
				reading(t, c)
				_ = c.Close()
			})
		})
	}
}

func TestAStartUpMessageHonoursItsDeadline(t *testing.T) {
	t.Parallel()
	h, _ := nobody(t)
	c := replayed(t, h)
	for _, set := range []func(time.Time) error{c.SetDeadline, c.SetWriteDeadline} {
		_ = set(time.Now().Add(-time.Hour))
		if n, err := c.Write(startupMessage(t)); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%d, %v", n, err)
		}
		_ = set(time.Time{})
	}
	_ = c.SetReadDeadline(time.Now().Add(-time.Hour))
	if _, err := c.Write(startupMessage(t)); err != nil {
		t.Error(err)
	}
	if n, err := c.Read(make([]byte, 10)); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("an answer came after the deadline: %d, %v", n, err)
	}
}

func TestDeadlinesReachTheConnectionBelow(t *testing.T) {
	t.Parallel()
	h, f := nobody(t)
	c := replayed(t, h)
	at := time.Now().Add(time.Hour)
	for _, set := range []func(time.Time) error{c.SetDeadline, c.SetReadDeadline, c.SetWriteDeadline} {
		_ = set(at)
		if !f.deadline.Equal(at) {
			t.Error("it did not get there")
		}
		_ = set(time.Time{})
		if !f.deadline.IsZero() {
			t.Error("it stayed there")
		}
	}
}

func TestCloseEndsAReadThatWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h, f := nobody(t)
		c := replayed(t, h)
		ended := reading(t, c)
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		if r := <-ended; !errors.Is(r.err, net.ErrClosed) || !f.closed.Load() {
			t.Errorf("%v", r.err)
		}
		if _, err := c.Write(startupMessage(t)); !errors.Is(err, net.ErrClosed) {
			t.Errorf("a write on it: %v", err)
		}
	})
}

func TestAnAnswerMayBeReadInPieces(t *testing.T) {
	t.Parallel()
	h, f := nobody(t)
	c := replayed(t, h)
	if _, err := c.Write(startupMessage(t)); err != nil {
		t.Fatal(err)
	}
	want := greeting(t)
	got := make([]byte, len(want))
	if n, err := c.Read(nil); n != 0 || err != nil {
		t.Error(n, err)
	}
	for i := range got {
		if n, err := c.Read(got[i : i+1]); n != 1 || err != nil {
			t.Fatal(n, err)
		}
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%q\n%q", got, want)
	}
	f.mu.Lock()
	f.answer = []byte("next")
	f.mu.Unlock()
	next := make([]byte, 10)
	if n, err := c.Read(next); string(next[:n]) != "next" || err != nil {
		t.Errorf("%q, %v", next[:n], err)
	}
	if n, err := c.Write([]byte("query")); n != 5 || err != nil || string(f.written()) != "query" {
		t.Errorf("%d, %v: the server got %q", n, err, f.written())
	}
}

// exhaust reads to the end, in small pieces.
func exhaust(t *testing.T, c net.Conn) (read int64) {
	t.Helper()
	b := make([]byte, 16)
	for {
		n, err := c.Read(b)
		if read += int64(n); err != nil {
			return read
		}
		if n == 0 {
			t.Error("a read of nothing, without an error")
			return read
		}
	}
}

func TestReadersAndWritersMayCrossTheStartUpTogether(t *testing.T) {
	t.Parallel()
	for range 1000 {
		h, f := nobody(t)
		f.mu.Lock()
		f.answer = bytes.Repeat([]byte{'r'}, 1000)
		f.stays = false
		f.mu.Unlock()
		c := replayed(t, h)
		var all sync.WaitGroup
		read := make([]int64, 4)
		for i := range read {
			all.Go(func() { read[i] = exhaust(t, c) })
		}
		all.Go(func() { _, _ = c.Write(startupMessage(t)); _, _ = c.Write([]byte("query")) })
		all.Go(func() { _ = c.SetDeadline(time.Time{}); _ = c.RemoteAddr() })
		all.Wait()
		if got := read[0] + read[1] + read[2] + read[3]; got != int64(1000+len(greeting(t))) {
			t.Fatalf("%d bytes were read", got)
		}
		if string(f.written()) != "query" {
			t.Fatalf("the server got %q", f.written())
		}
	}
}

func TestAnythingElseThanAStartUpMessageIsRefused(t *testing.T) {
	t.Parallel()
	for name, b := range map[string][]byte{
		"a request for TLS":        {0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f},
		"a request for GSS":        {0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x30},
		"a cancel request":         {0, 0, 0, 16, 0x04, 0xd2, 0x16, 0x2e, 0, 0, 0, 7, 0, 0, 0, 0},
		"TLS":                      {0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc},
		"protocol 2":               {0, 0, 0, 20, 0, 2, 0, 0, 0},
		"a message without an end": {0, 0, 0, 8, 0, 3, 0, 0},
		"a short length":           {0, 0, 0, 4, 0, 3, 0, 0},
		"a long one":               {0, 0, 0x27, 0x11, 0, 3, 0, 0},
		"a negative one":           {0xff, 0xff, 0xff, 0xff, 0, 3, 0, 0},
		"a query":                  []byte("Q\x00\x00\x00\x0dSELECT 1\x00"),
	} {
		h, f := nobody(t)
		c := replayed(t, h)
		for range 2 { // it does not get better
			if n, err := c.Write(b); err == nil || n > 8 {
				t.Errorf("%s: %d, %v", name, n, err)
			}
		}
		if len(f.written()) != 0 {
			t.Errorf("%s: the server got % x", name, f.written())
		}
	}
}
