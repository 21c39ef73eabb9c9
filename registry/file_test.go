package registry_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/sourcetest"
)

// lines are the tenants of a file, each active or suspended ("-acme").
func lines(ids ...string) string {
	text := "tenants:\n"
	for _, id := range ids {
		status := "active"
		if name, ok := strings.CutPrefix(id, "-"); ok {
			id, status = name, "suspended"
		}
		text += fmt.Sprintf("  %s: {cluster: main, isolation: schema, login: %s, status: %s}\n", id, id, status)
	}
	return text
}

// followed is a File that is watched until the test ends.
type followed struct {
	*registry.File
	outcomes chan string // of reloads
	changes  chan string
}

// follow opens and watches a file. Events alone drive it: it polls never.
func follow(t *testing.T, cfg registry.FileConfig) *followed {
	t.Helper()
	f := &followed{outcomes: make(chan string, 64), changes: make(chan string, 64)}
	cfg.Clusters = sourcetest.Clusters()
	cfg.Reloaded = func(added, changed, removed int, err error) {
		f.outcomes <- fmt.Sprintf("+%d ~%d -%d %v", added, changed, removed, err)
	}
	if cfg.Debounce == 0 {
		cfg.Debounce = 10 * time.Millisecond
	}
	if cfg.Poll == 0 {
		cfg.Poll = time.Hour
	}
	var err error
	f.File, err = registry.NewFile(cfg)
	must(t, err)
	f.watch(t)
	return f
}

func (f *followed) watch(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	listening, ended := make(chan struct{}, 1), make(chan error, 1)
	go func() {
		ended <- f.Watch(ctx, func(changes []registry.Change) {
			if len(changes) == 0 {
				listening <- struct{}{}
			}
			for _, c := range changes {
				f.changes <- fmt.Sprintf("%s %s", c.ID, c.Kind)
			}
		})
	}()
	<-listening
	t.Cleanup(func() {
		cancel()
		must(t, <-ended)
	})
}

// unchanged is the outcome of a reload that found the tenants as they were.
const unchanged = "+0 ~0 -0 <nil>"

// expect waits for the outcome of a reload. One that changed nothing may come
// before it: of a comment that settle added, when that is looked at late.
func (f *followed) expect(t *testing.T, want string) {
	t.Helper()
	for {
		select {
		case got := <-f.outcomes:
			if got == want {
				return
			}
			if !halfWay(got) && got != unchanged {
				t.Fatalf("reloaded as\n%s\nwant\n%s", got, want)
			}
		case <-time.After(20 * time.Second):
			t.Fatalf("no reload; want %s", want)
		}
	}
}

// halfWay reports whether an outcome is about a file that is being written: on
// a busy machine the test itself may take longer over it than the debounce.
func halfWay(outcome string) bool {
	return strings.Contains(outcome, ": is empty;") || strings.HasSuffix(outcome, ": there is no such file")
}

// has checks which tenants are known, and which of them are not active.
func (f *followed) has(t *testing.T, want ...string) {
	t.Helper()
	list, err := f.List(t.Context(), registry.ID{}, 100)
	must(t, err)
	var got []string
	for _, tenant := range list {
		if tenant.Active() {
			got = append(got, tenant.ID.String())
		} else {
			got = append(got, "-"+tenant.ID.String())
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("the file's tenants are %v, want %v", got, want)
	}
}

func rename(t *testing.T, from, to string) {
	t.Helper()
	must(t, os.Rename(from, to))
}

func TestAFileIsFollowedHoweverItIsWritten(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(t *testing.T, path string){
		"written in place": func(t *testing.T, path string) { write(t, path, lines("-acme", "globex")) },
		"replaced by a rename": func(t *testing.T, path string) {
			write(t, path+".tmp", lines("-acme", "globex"))
			rename(t, path+".tmp", path)
		},
		"moved away and written anew": func(t *testing.T, path string) {
			rename(t, path, path+"~")
			write(t, path, lines("-acme", "globex"))
		},
		"removed and written anew": func(t *testing.T, path string) {
			must(t, os.Remove(path))
			write(t, path, lines("-acme", "globex"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "config.yaml")
			write(t, path, lines("acme", "hooli"))
			f := follow(t, registry.FileConfig{Path: path})
			f.settle(t, path)
			change(t, path)
			f.expect(t, "+1 ~1 -1 <nil>")
			f.has(t, "-acme", "globex")
			got := []string{<-f.changes, <-f.changes, <-f.changes}
			slices.Sort(got)
			if want := "[acme suspended globex added hooli removed]"; fmt.Sprint(got) != want {
				t.Errorf("told %v, want %v", got, want)
			}
		})
	}
}

// settle returns when the file system is being watched: when a comment that
// was added made a reload.
func (f *followed) settle(t *testing.T, path string) {
	t.Helper()
	data, err := os.ReadFile(path)
	must(t, err)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for i := 0; ; i++ {
		write(t, path, fmt.Sprintf("%s# %d\n", data, i))
		select {
		case got := <-f.outcomes:
			if halfWay(got) {
				continue
			}
			if got != unchanged {
				t.Fatalf("a comment made %s", got)
			}
			f.drain()
			return
		case <-tick.C:
		}
	}
}

// drain forgets outcomes that came late; a later change makes its own.
func (f *followed) drain() {
	for {
		select {
		case <-f.outcomes:
		default:
			return
		}
	}
}

// Kubernetes mounts a file as a link to a link to a folder, and swaps that one.
func TestASwapOfKubernetesLinksIsSeen(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, v := range []string{"..v1", "..v2"} {
		must(t, os.Mkdir(filepath.Join(dir, v), 0o700))
	}
	write(t, filepath.Join(dir, "..v1", "config.yaml"), lines("acme"))
	write(t, filepath.Join(dir, "..v2", "config.yaml"), lines("-acme"))
	must(t, os.Symlink("..v1", filepath.Join(dir, "..data")))
	path := filepath.Join(dir, "config.yaml")
	must(t, os.Symlink(filepath.Join("..data", "config.yaml"), path))
	f := follow(t, registry.FileConfig{Path: path})
	f.settle(t, filepath.Join(dir, "..v1", "config.yaml"))
	must(t, os.Symlink("..v2", filepath.Join(dir, "..data_tmp")))
	rename(t, filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data"))
	f.expect(t, "+0 ~1 -0 <nil>")
	f.has(t, "-acme")
}

func TestASecretThatRotatesIsAChangeOfItsTenant(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	secrets := filepath.Join(root, "secrets")
	must(t, os.Mkdir(secrets, 0o700))
	path, secret := filepath.Join(root, "config.yaml"), filepath.Join(secrets, "acme")
	write(t, secret, "one\n")
	write(t, path, "tenants:\n  acme: {cluster: main, isolation: schema, login: acme, password: 'file:secrets/acme'}\n")
	f := follow(t, registry.FileConfig{Path: path})
	f.settle(t, path)
	write(t, secret, "two\n")
	f.expect(t, "+0 ~1 -0 <nil>")
	got, err := f.Tenant(t.Context(), acme)
	must(t, err)
	if got.Password.Reveal() != "two" {
		t.Error("the password is the old one")
	}
	must(t, os.Remove(secret))
	f.expect(t, "+0 ~0 -0 "+path+":2: tenants.acme.password: names the file "+secret+", which cannot be read: no such file or directory")
	f.has(t, "acme")
}

func TestAChangeOfLimitsInAPlanIsToldOfEveryTenantOfIt(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "config.yaml")
	text := "plans: {small: {cluster: main, isolation: schema, limits: {weight: %d}}}\ntenants: {acme: {plan: small}, globex: {plan: small}}\n"
	write(t, path, fmt.Sprintf(text, 1))
	f := follow(t, registry.FileConfig{Path: path})
	f.settle(t, path)
	write(t, path, fmt.Sprintf(text, 2))
	f.expect(t, "+0 ~2 -0 <nil>")
	if got := []string{<-f.changes, <-f.changes}; fmt.Sprint(got) != "[acme limits globex limits]" {
		t.Errorf("told %v", got)
	}
}
