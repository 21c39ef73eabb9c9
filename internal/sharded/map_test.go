package sharded_test

import (
	"maps"
	"strconv"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/poolkeeper/poolkeeper/internal/sharded"
)

func text(key string) string { return key }

func TestItSaysWhatAPlainMapWould(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m, plain := sharded.New[string, int](text), map[string]*int{}
		for range rapid.IntRange(1, 20).Draw(t, "changes") {
			now := map[string]*int{}
			for range rapid.IntRange(0, 40).Draw(t, "keys") {
				key := strconv.Itoa(rapid.IntRange(0, 99).Draw(t, "key"))
				if value := rapid.IntRange(0, 3).Draw(t, "value"); value > 0 {
					now[key] = &value
				} else {
					now[key] = nil
				}
			}
			m.Update(now)
			maps.Copy(plain, now)
			maps.DeleteFunc(plain, func(_ string, v *int) bool { return v == nil })
		}
		if got := maps.Collect(m.All()); !maps.Equal(got, plain) || m.Len() != len(plain) {
			t.Fatalf("%v of %d; want %v", got, m.Len(), plain)
		}
		for i := range 100 {
			if key := strconv.Itoa(i); m.Get(key) != plain[key] {
				t.Fatalf("%s: %v; want %v", key, m.Get(key), plain[key])
			}
		}
	})
}

func TestReadersSeeAnEntryBeforeOrAfterItsChange(t *testing.T) {
	t.Parallel()
	m := sharded.New[string, [2]int](text)
	m.Update(map[string]*[2]int{"a": {}})
	done := make(chan struct{})
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				if v := m.Get("a"); v == nil || v[0] != v[1] {
					t.Errorf("half a change: %v", v)
					return
				}
			}
		})
	}
	for i := range 10_000 {
		m.Update(map[string]*[2]int{"a": {i, i}, strconv.Itoa(i % 500): {i, i}})
	}
	close(done)
	readers.Wait()
}
