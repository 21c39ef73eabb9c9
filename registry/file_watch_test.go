package registry_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/sourcetest"
)

// Network file systems tell nobody of a change; and a folder can be replaced
// as a whole.
func TestPollingFindsWhatNoEventTold(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	real1, real2 := filepath.Join(root, "one"), filepath.Join(root, "two")
	for _, dir := range []string{real1, real2} {
		must(t, os.Mkdir(dir, 0o700))
	}
	write(t, filepath.Join(real1, "config.yaml"), lines("acme"))
	write(t, filepath.Join(real2, "config.yaml"), lines("-acme"))
	link := filepath.Join(root, "current")
	must(t, os.Symlink(real1, link))
	f := follow(t, registry.FileConfig{Path: filepath.Join(link, "config.yaml"), Poll: 20 * time.Millisecond})
	must(t, os.Symlink(real2, link+"2"))
	rename(t, link+"2", link) // outside of every watched folder
	f.expect(t, "+0 ~1 -0 <nil>")
	f.has(t, "-acme")
	write(t, filepath.Join(real2, "config.yaml"), lines("acme"))
	f.expect(t, "+0 ~1 -0 <nil>")
}

func TestWhatChangedWhileNobodyWatchedIsFoundAtOnce(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "config.yaml")
	write(t, path, lines("acme"))
	first, cancel := context.WithCancel(t.Context())
	file, err := registry.NewFile(registry.FileConfig{Path: path, Clusters: sourcetest.Clusters(), Debounce: time.Millisecond, Poll: time.Hour})
	must(t, err)
	cancel()
	must(t, file.Watch(first, func([]registry.Change) {}))
	write(t, path, lines("-acme"))
	f := &followed{File: file, changes: make(chan string, 8)}
	f.watch(t)
	if got := <-f.changes; got != "acme suspended" {
		t.Errorf("told %s", got)
	}
}

// Two watch the file; the one that follows the file system leaves.
func TestTheFileIsFollowedAsLongAsAnybodyWatches(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "config.yaml")
	write(t, path, lines("acme"))
	file, err := registry.NewFile(registry.FileConfig{Path: path, Clusters: sourcetest.Clusters(), Debounce: time.Millisecond, Poll: 5 * time.Millisecond})
	must(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	told, ended := make(chan int, 8), make(chan error, 1)
	go func() { ended <- file.Watch(ctx, func(c []registry.Change) { told <- len(c) }) }()
	<-told
	write(t, path, lines("acme", "globex"))
	if n := <-told; n != 1 { // so this one follows the file system
		t.Fatalf("told of %d changes", n)
	}
	f := &followed{File: file, changes: make(chan string, 8)}
	f.watch(t)
	cancel()
	must(t, <-ended)
	write(t, path, lines("globex"))
	if got := <-f.changes; got != "acme removed" {
		t.Errorf("told %s", got)
	}
}
