package pgtest_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/poolkeeper/poolkeeper/internal/pgtest"
)

// install makes a folder with fake programs that say a version.
func install(t *testing.T, dir, version string) string {
	t.Helper()
	return installScript(t, dir, fmt.Sprintf("echo \"$(basename $0) (PostgreSQL) %s\"", version))
}

func installScript(t *testing.T, dir, script string) string {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, program := range []string{"initdb", "postgres"} {
		if err := os.WriteFile(filepath.Join(dir, program), []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestProgramsAreFoundInOrder(t *testing.T) {
	t.Parallel()
	root := passable(t)
	at := func(path ...string) string { return filepath.Join(append([]string{root}, path...)...) }
	named := install(t, at("named", "bin"), "16.1")
	env := install(t, at("env"), "15.2 (Debian 15.2-1)")
	inPath := install(t, at("path"), "15.0")
	for _, version := range []string{"9.6", "13", "15", "17", "16"} {
		install(t, at("usual", version, "bin"), version+".4")
	}
	install(t, at("usual", "18", "bin"), "18beta2")
	linked := at("linked")
	if err := os.MkdirAll(linked, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(at("usual", "17", "bin", "postgres"), filepath.Join(linked, "postgres")); err != nil {
		t.Fatal(err)
	}
	usual := []string{at("usual", "*", "bin"), at("none", "*")}
	for name, c := range map[string]struct {
		finder       pgtest.Finder
		explicit     string
		dir, version string
		major        int
	}{
		"the setting first":           {pgtest.Finder{Env: env, Path: inPath, Globs: usual}, named, named, "16.1", 16},
		"or the folder above":         {pgtest.Finder{Env: env}, filepath.Dir(named), named, "16.1", 16},
		"then the environment":        {pgtest.Finder{Env: env, Path: inPath, Globs: usual}, "", env, "15.2", 15},
		"then PATH":                   {pgtest.Finder{Path: at("none") + ":relative:" + inPath, Globs: usual}, "", inPath, "15.0", 15},
		"links in PATH are resolved":  {pgtest.Finder{Path: linked, Globs: usual}, "", at("usual", "17", "bin"), "17.4", 17},
		"then the newest usual":       {pgtest.Finder{Globs: usual}, "", at("usual", "18", "bin"), "18beta2", 18},
		"but the one the data needs":  {pgtest.Finder{Path: inPath, Globs: usual, Major: 16}, "", at("usual", "16", "bin"), "16.4", 16},
		"or any when that is missing": {pgtest.Finder{Path: inPath, Globs: usual, Major: 12}, "", inPath, "15.0", 15},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := c.finder.Find(t.Context(), c.explicit)
			if err != nil {
				t.Fatal(err)
			}
			if want := (pgtest.Binaries{Dir: c.dir, Version: c.version, Major: c.major}); got != want {
				t.Errorf("got %+v, want %+v", got, want)
			}
		})
	}
}

func TestProgramsThatCannotBeUsedAreOneSentence(t *testing.T) {
	t.Parallel()
	root := passable(t)
	dir := func(name, script string) string { return installScript(t, filepath.Join(root, name), script) }
	for name, c := range map[string]struct {
		dir  string
		kind error
		text string
	}{
		"too old":        {install(t, filepath.Join(root, "old"), "14.23"), pgtest.ErrVersion, "is PostgreSQL 14.23, but 15 or later is needed"},
		"library":        {dir("lib", "echo '/x/initdb: error while loading shared libraries: libicuuc.so.60: cannot open' >&2; exit 127"), pgtest.ErrLibrary, "needs the shared library libicuuc.so.60"},
		"library, macOS": {dir("dyld", "echo 'dyld: Library not loaded: @rpath/libpq.5.dylib' >&2; kill -9 $$"), pgtest.ErrLibrary, "@rpath/libpq.5.dylib"},
		"library, musl":  {dir("musl", "echo 'Error loading shared library libxml2.so.2: No such file' >&2; exit 127"), pgtest.ErrLibrary, "libxml2.so.2"},
		"something else": {dir("else", "echo hello"), pgtest.ErrNotFound, "does not say that it is PostgreSQL"},
		"fails":          {dir("fails", "echo no way >&2; exit 3"), pgtest.ErrFailed, "ended with exit status 3: no way"},
		"no programs":    {root, pgtest.ErrNotFound, "does not contain the programs"},
		"no folder":      {filepath.Join(root, "none"), pgtest.ErrNotFound, "does not contain the programs"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := pgtest.Finder{}.Find(t.Context(), c.dir)
			if !errors.Is(err, c.kind) || !strings.Contains(err.Error(), c.text) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestProgramsThatTheServersUserCannotReachAreRefused(t *testing.T) {
	t.Parallel()
	closed := filepath.Join(passable(t), "home")
	dir := install(t, filepath.Join(closed, "bin"), "17.1")
	if err := os.Chmod(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	_, err := pgtest.Finder{}.Find(t.Context(), dir)
	if os.Geteuid() != 0 {
		if err != nil {
			t.Errorf("our own folder: %v", err)
		}
		return
	}
	if !errors.Is(err, pgtest.ErrPermission) || !strings.Contains(err.Error(), "cannot enter "+closed+")") {
		t.Errorf("got %v", err)
	}
}

func TestWithoutProgramsOneScreenSaysWhatToInstall(t *testing.T) {
	t.Parallel()
	root := passable(t)
	for i := range 9 {
		install(t, filepath.Join(root, fmt.Sprint(i), "bin"), fmt.Sprintf("%d.1", i))
	}
	_, err := pgtest.Finder{Globs: []string{filepath.Join(root, "*", "bin")}}.Find(t.Context(), "")
	if !errors.Is(err, pgtest.ErrNotFound) {
		t.Fatalf("got %v", err)
	}
	text := err.Error()
	for _, part := range []string{"Debian", "apt-get install postgresql", "Fedora", "macOS", "brew install", pgtest.EnvBin, "15 or later", "and 4 more"} {
		if !strings.Contains(text, part) {
			t.Errorf("it lacks %q", part)
		}
	}
	lines := strings.Split(text, "\n")
	if len(lines) > 20 {
		t.Errorf("it has %d lines", len(lines))
	}
}

func TestFindEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	dir := install(t, filepath.Join(passable(t), "bin"), "17.1")
	if _, err := (pgtest.Finder{}).Find(ctx, dir); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestFindSeesTheProgramsOfThisMachine(t *testing.T) {
	t.Parallel()
	bin, err := pgtest.Find(t.Context(), pgtest.Shared().Binaries().Dir)
	if err != nil || bin != pgtest.Shared().Binaries() {
		t.Errorf("got %+v, %v", bin, err)
	}
}

func TestFolderNamesGiveTheOrder(t *testing.T) {
	t.Parallel()
	for dir, want := range map[string]int{
		"/usr/lib/postgresql/15/bin": 15, "/usr/lib/postgresql/9.6/bin": 9, "/usr/pgsql-17/bin": 17, "/opt/homebrew/opt/postgresql@16/bin": 16,
		"/Applications/Postgres.app/Contents/Versions/latest/bin": 0, "/usr/bin": 0, "": 0,
	} {
		if got := pgtest.MajorOf(dir); got != want {
			t.Errorf("%s: %d, want %d", dir, got, want)
		}
	}
}

func TestLastWordsBecomeSentencesOfTheirKind(t *testing.T) {
	t.Parallel()
	for out, c := range map[string]struct {
		kind error
		text string
	}{
		"x LOG: starting\nx LOG:  could not bind IPv4 address \"127.0.0.1\": Address already in use\nx FATAL:  could not create any TCP/IP sockets\nx LOG: shut down": {
			pgtest.ErrPortInUse, "could not create any TCP/IP sockets",
		},
		"FATAL:  database files are incompatible with server\nDETAIL:  The data directory was initialized by PostgreSQL version 15": {
			pgtest.ErrVersion, "incompatible",
		},
		"FATAL:  lock file \"postmaster.pid\" already exists":                      {pgtest.ErrInUse, "already exists"},
		"FATAL:  data directory \"/x\" has invalid permissions":                    {pgtest.ErrPermission, "invalid permissions"},
		"initdb: error: could not create directory: Permission denied":             {pgtest.ErrPermission, "could not create directory"},
		"postgres: error while loading shared libraries: libssl.so.3: cannot open": {pgtest.ErrLibrary, "libssl.so.3"},
		"":            {pgtest.ErrFailed, "it said nothing"},
		"a\nlast\n\n": {pgtest.ErrFailed, "last"},
	} {
		err := pgtest.Diagnose(out, "what")
		if !errors.Is(err, c.kind) || !strings.HasPrefix(err.Error(), "pgtest: what: ") || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%q becomes %v", out, err)
		}
	}
}
