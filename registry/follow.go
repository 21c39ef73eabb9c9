package registry

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"
)

// Watch is [Source].Watch. The files are followed as long as at least one call
// lasts.
func (f *File) Watch(ctx context.Context, notify func([]Change)) error {
	var driving sync.WaitGroup
	driving.Go(func() {
		select {
		case f.driver <- struct{}{}:
			f.follow(ctx)
			<-f.driver
		case <-ctx.Done():
		}
	})
	err := f.store.Watch(ctx, notify)
	driving.Wait()
	return err
}

// follow applies changes of the files until ctx ends. It begins with a look,
// for what changed since nobody watched.
func (f *File) follow(ctx context.Context) {
	events := f.watcher()
	if events != nil {
		defer func() { _ = events.Close() }() // nothing to lose
	} else {
		events = &fsnotify.Watcher{} // its channels are nil: polling is left
	}
	poll := time.NewTicker(f.cfg.Poll)
	defer poll.Stop()
	quiet := time.NewTimer(0)
	defer quiet.Stop()
	var names map[string]bool
	for {
		look := false
		select {
		case <-ctx.Done():
			return
		case e := <-events.Events:
			if f.concerns(e, names) {
				quiet.Reset(f.cfg.Debounce)
			}
		case lost := <-events.Errors:
			_ = lost // whatever it was about: look
			quiet.Reset(f.cfg.Debounce)
		case <-poll.C:
			look = true
		case <-quiet.C:
			look = true
		}
		if look {
			names = f.rewatch(events)
			if !f.settle() {
				quiet.Reset(f.cfg.Debounce)
			}
		}
	}
}

// watcher returns nil when the system has none to give, and tells so.
func (f *File) watcher() *fsnotify.Watcher {
	w, err := fsnotify.NewWatcher()
	if err == nil {
		return w
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.cfg.Reloaded != nil {
		f.cfg.Reloaded(0, 0, 0, fmt.Errorf("registry: %s is read every %s only, because it cannot be watched: %w", f.cfg.Path, f.cfg.Poll, err))
	}
	return nil
}

// rewatch asks to be told of changes in every folder that holds one of the
// files, and returns their names. Folders and not files, because most programs
// that write a file put a new one in its place; again and again, because a
// folder may be a new one as well. A folder that cannot be watched is left to
// polling.
func (f *File) rewatch(w *fsnotify.Watcher) map[string]bool {
	names, folders := map[string]bool{}, map[string]bool{}
	for _, path := range f.files() {
		names[filepath.Base(path)] = true
		folders[filepath.Dir(path)] = true
		if behind, err := filepath.EvalSymlinks(path); err == nil {
			names[filepath.Base(behind)] = true
			folders[filepath.Dir(behind)] = true
		}
	}
	if f.cfg.Dir != "" {
		folders[f.cfg.Dir] = true
	}
	if w.Events != nil {
		for folder := range folders {
			_ = w.Add(folder)
		}
	}
	return names
}

// files are those that are known by name.
func (f *File) files() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	paths := []string{f.cfg.Path}
	for _, s := range f.secretFiles {
		paths = append(paths, s.path)
	}
	return paths
}

// concerns reports whether an event may be about one of the files: others in
// the same folders may be busy. Kubernetes swaps a link whose name begins with
// two dots.
func (f *File) concerns(e fsnotify.Event, names map[string]bool) bool {
	name := filepath.Base(e.Name)
	return e.Op != fsnotify.Chmod &&
		(names[name] || strings.HasPrefix(name, "..") || f.cfg.Dir != "" && isTenantFile(name))
}
