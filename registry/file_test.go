package registry_test

import (
	"context"
	"errors"
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

// expect waits for the outcome of a reload.
func (f *followed) expect(t *testing.T, want string) {
	t.Helper()
	for {
		select {
		case got := <-f.outcomes:
			if got == want {
				return
			}
			if !halfWay(got) {
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
			if got != "+0 ~0 -0 <nil>" {
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

func TestABadFileChangesNothingAndSaysWhichLine(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "config.yaml")
	write(t, path, lines("acme"))
	f := follow(t, registry.FileConfig{Path: path})
	f.settle(t, path)
	for text, want := range map[string]string{
		"tenants:\n  acme: {cluster: main, isolation: schema, status: asleep}\n": path + `:2: tenants.acme.status: is "asleep"; it must be pending, active, suspended or retired`,
		"tenants:\n  acme: {cluster\n":                                           path + ":1: this is not YAML: did not find expected ',' or '}'",
		" \n":                                                                    path + ": is empty; a file without tenants has the line tenants: {}",
	} {
		write(t, path, text)
		f.expect(t, "+0 ~0 -0 "+want)
		f.has(t, "acme")
	}
	must(t, os.Remove(path))
	f.expect(t, "+0 ~0 -0 "+path+": there is no such file")
	f.has(t, "acme")
	write(t, path, lines("acme", "globex"))
	f.expect(t, "+1 ~0 -0 <nil>")
	f.has(t, "acme", "globex")
}

func TestAFileThatCheckRefusesChangesNothing(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "config.yaml")
	write(t, path, lines("acme"))
	refusal := errors.New("server.listen: is wrong")
	check := func(data []byte) error {
		if strings.Contains(string(data), "server:") {
			return refusal
		}
		return nil
	}
	f := follow(t, registry.FileConfig{Path: path, Check: check})
	f.settle(t, path)
	write(t, path, "server: x\n"+lines("-acme"))
	f.expect(t, "+0 ~0 -0 server.listen: is wrong")
	f.has(t, "acme")
	if err := f.Reload(); !errors.Is(err, refusal) {
		t.Errorf("Reload: %v", err)
	}
	if _, err := registry.NewFile(registry.FileConfig{Path: path, Check: check, Clusters: sourcetest.Clusters()}); !errors.Is(err, refusal) {
		t.Errorf("NewFile: %v", err)
	}
}

func TestAFolderOfTenantsIsFollowedToo(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	path, dir := filepath.Join(root, "config.yaml"), filepath.Join(root, "tenants.d")
	must(t, os.Mkdir(dir, 0o700))
	must(t, os.Mkdir(filepath.Join(dir, "folder.yaml"), 0o700))
	write(t, path, "plans: {gold: {limits: {queue: 3}}}\n"+lines("acme"))
	write(t, filepath.Join(dir, "b.yaml"), lines("globex"))
	write(t, filepath.Join(dir, ".hidden.yaml"), "no tenants")
	write(t, filepath.Join(dir, "notes.txt"), "no tenants")
	f := follow(t, registry.FileConfig{Path: path, Dir: dir})
	f.settle(t, filepath.Join(dir, "b.yaml"))
	f.has(t, "acme", "globex")
	write(t, filepath.Join(dir, "a.yml"), "tenants: {hooli: {plan: gold, cluster: main, isolation: schema}}")
	f.expect(t, "+1 ~0 -0 <nil>")
	f.has(t, "acme", "globex", "hooli")
	must(t, os.Remove(filepath.Join(dir, "b.yaml")))
	f.expect(t, "+0 ~0 -1 <nil>")
	f.has(t, "acme", "hooli")
	write(t, filepath.Join(dir, "c.yaml"), lines("acme"))
	f.expect(t, "+0 ~0 -0 "+filepath.Join(dir, "c.yaml")+":2: tenants.acme: is given twice; the first is at "+path+":3")
	f.has(t, "acme", "hooli")
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

func TestAFileThatStaysWrongIsToldOfOnce(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "config.yaml")
	write(t, path, lines("acme"))
	f := follow(t, registry.FileConfig{Path: path, Poll: 5 * time.Millisecond, Debounce: time.Millisecond})
	write(t, path, "tenants: 7\n")
	f.expect(t, "+0 ~0 -0 "+path+":1: tenants: must be a mapping, with a line of its own for each key")
	select {
	case got := <-f.outcomes:
		t.Fatalf("told again: %s", got)
	case <-time.After(250 * time.Millisecond): // many polls later
	}
	write(t, path, lines("acme"))
	f.expect(t, "+0 ~0 -0 <nil>")
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

func TestAFileIsRefusedAtTheStart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	good, bad := filepath.Join(dir, "good.yaml"), filepath.Join(dir, "bad.yaml")
	write(t, good, lines("acme"))
	write(t, bad, "tenants: {acme: {}}")
	for want, cfg := range map[string]registry.FileConfig{
		"registry: FileConfig.Path is empty; name the file with the tenants":                     {},
		"registry: FileConfig.Debounce and Poll cannot be negative; 0 means the default":         {Path: good, Poll: -1},
		bad + ":1: tenants.acme.isolation: is missing; it must be schema, database or row, here": {Path: bad},
		filepath.Join(dir, "none") + ": there is no such file":                                   {Path: filepath.Join(dir, "none")},
		dir + ": cannot be read: ": {Path: dir},
		filepath.Join(dir, "none") + ": this folder of tenants cannot be read: ": {Path: good, Dir: filepath.Join(dir, "none")},
	} {
		cfg.Clusters = sourcetest.Clusters()
		if f, err := registry.NewFile(cfg); err == nil || f != nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
}

func TestReadDirFeedsParseDocuments(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "b.yaml"), lines("b"))
	write(t, filepath.Join(dir, "a.yml"), lines("a"))
	docs, err := registry.ReadDir(dir)
	must(t, err)
	tenants, err := registry.ParseDocuments(append([]registry.Document{{Path: "main"}}, docs...), sourcetest.Clusters())
	if err != nil || len(docs) != 2 || docs[0].Path != filepath.Join(dir, "a.yml") || len(tenants) != 2 {
		t.Errorf("got %v, %v, %v", docs, tenants, err)
	}
	if _, err := registry.ReadDir(filepath.Join(dir, "none")); err == nil {
		t.Error("a folder that is not there was read")
	}
}
