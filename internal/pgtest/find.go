package pgtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// MinMajor is the oldest PostgreSQL that is used.
const MinMajor = 15

// EnvBin names the environment variable with the folder of the programs.
const EnvBin = "POOLKEEPER_PG_BIN"

// Binaries are the programs of one PostgreSQL installation.
type Binaries struct {
	Dir     string // the folder of initdb and postgres, links resolved
	Version string // as postgres reports it: "18.4"
	Major   int
}

// Find returns the PostgreSQL to use: the one in the folder explicit, else in
// the folder that POOLKEEPER_PG_BIN names, else the first of PATH, else the
// newest in the usual folders of the system. A folder that was named must be
// right; the other places are passed over when they are too old or broken.
func Find(ctx context.Context, explicit string) (Binaries, error) {
	acct, err := serverAccount()
	if err != nil {
		return Binaries{}, err
	}
	return newFinder(acct).find(ctx, explicit, 0)
}

// finder looks for the programs; its fields are what tests replace.
type finder struct {
	env     string   // the value of EnvBin
	path    string   // the value of PATH
	globs   []string // the usual folders
	acct    account
	inspect func(ctx context.Context, dir string, acct account) (Binaries, error)
}

func newFinder(acct account) *finder {
	return &finder{
		env: os.Getenv(EnvBin), path: os.Getenv("PATH"), globs: usualFolders(), acct: acct, inspect: inspect,
	}
}

// usualFolders are where the packages of systems put the server's programs,
// which most of them leave out of PATH.
func usualFolders() []string {
	return []string{
		"/usr/lib/postgresql/*/bin",                          // Debian, Ubuntu
		"/usr/pgsql-*/bin",                                   // the project's RPMs
		"/usr/lib/postgresql[0-9]*/bin",                      // openSUSE
		"/usr/libexec/postgresql[0-9]*",                      // Alpine
		"/opt/homebrew/opt/postgresql*/bin",                  // Homebrew, Apple silicon
		"/usr/local/opt/postgresql*/bin",                     // Homebrew, Intel
		"/home/linuxbrew/.linuxbrew/opt/postgresql*/bin",     // Homebrew, Linux
		"/Applications/Postgres.app/Contents/Versions/*/bin", // Postgres.app
		"/Library/PostgreSQL/*/bin",                          // EDB, macOS
		"/opt/PostgreSQL/*/bin",                              // EDB, Linux
		"/opt/local/lib/postgresql[0-9]*/bin",                // MacPorts
		"/usr/local/pgsql/bin",                               // built from source
		"/usr/bin",                                           // Fedora, Arch, with a PATH that lacks it
		"/usr/local/bin",                                     // FreeBSD
	}
}

// find is Find; a major that is not 0 is the one that a data folder needs, and
// is looked for in every place before another is taken.
func (f *finder) find(ctx context.Context, explicit string, major int) (Binaries, error) {
	switch {
	case explicit != "":
		return f.named(ctx, explicit, "the setting")
	case f.env != "":
		return f.named(ctx, f.env, EnvBin)
	}
	var skipped []string
	var first *Binaries
	for _, dir := range f.folders() {
		bin, err := f.inspect(ctx, dir, f.acct)
		switch {
		case ctx.Err() != nil:
			return Binaries{}, fmt.Errorf("pgtest: looking for PostgreSQL: %w", ctx.Err())
		case err != nil:
			skipped = append(skipped, strings.TrimPrefix(err.Error(), "pgtest: "))
		case major == 0 || bin.Major == major:
			return bin, nil
		case first == nil:
			first = &bin
		}
	}
	if first != nil {
		return *first, nil
	}
	return Binaries{}, notFound(skipped)
}

// named inspects a folder that somebody named: the folder of the programs, or
// the one above it.
func (f *finder) named(ctx context.Context, dir, who string) (Binaries, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return Binaries{}, fmt.Errorf("pgtest: %w", err)
	}
	for _, candidate := range []string{abs, filepath.Join(abs, "bin")} {
		if hasPrograms(candidate) {
			return f.inspect(ctx, candidate, f.acct)
		}
	}
	return Binaries{}, fail(ErrNotFound, fmt.Sprintf(
		"%s names %s, which does not contain the programs initdb and postgres; name the folder that does", who, abs))
}

// folders lists the folders that contain the programs, without repetition: the
// ones in PATH in its order, then the usual ones, newest first.
func (f *finder) folders() []string {
	var dirs []string
	add := func(dir string) {
		if dir = programFolder(dir); dir != "" && !slices.Contains(dirs, dir) {
			dirs = append(dirs, dir)
		}
	}
	for _, dir := range filepath.SplitList(f.path) {
		if filepath.IsAbs(dir) {
			add(dir)
		}
	}
	var usual []string
	for _, glob := range f.globs {
		matches, _ := filepath.Glob(glob) // the patterns are constants
		usual = append(usual, matches...)
	}
	slices.SortStableFunc(usual, func(a, b string) int { return majorOf(b) - majorOf(a) })
	for _, dir := range usual {
		add(dir)
	}
	return dirs
}

// programFolder returns the folder in which dir's postgres really lies, when
// initdb is there as well; dir itself when only there both are; else "".
func programFolder(dir string) string {
	if real, err := filepath.EvalSymlinks(filepath.Join(dir, "postgres")); err == nil && hasPrograms(filepath.Dir(real)) {
		return filepath.Dir(real)
	}
	if hasPrograms(dir) {
		return dir
	}
	return ""
}

func hasPrograms(dir string) bool {
	for _, name := range []string{"initdb", "postgres"} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.IsDir() || info.Mode()&0o111 == 0 {
			return false
		}
	}
	return true
}

// majorOf guesses the version from a folder's name, for the order alone.
func majorOf(dir string) int {
	for dir != "" && dir != "/" {
		base := filepath.Base(dir)
		digits := strings.TrimLeftFunc(base, func(r rune) bool { return r < '0' || r > '9' })
		if n, err := strconv.Atoi(strings.SplitN(digits, ".", 2)[0]); err == nil {
			return n
		}
		dir = filepath.Dir(dir)
	}
	return 0
}

var versionLine = regexp.MustCompile(`\(PostgreSQL\) (\d+)((?:\.\d+|devel|beta\d+|rc\d+)*)`)

// inspect asks the programs of dir for their version, as the user that will
// run them: what that user cannot reach or load shows here.
func inspect(ctx context.Context, dir string, acct account) (Binaries, error) {
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		dir = real
	}
	bin := Binaries{Dir: dir}
	for _, program := range []string{"initdb", "postgres"} {
		out, err := acct.run(ctx, 20*time.Second, filepath.Join(dir, program), "--version")
		if err != nil {
			return Binaries{}, programError(ctx, filepath.Join(dir, program), out, err, acct)
		}
		m := versionLine.FindStringSubmatch(out)
		if m == nil {
			return Binaries{}, fail(ErrNotFound, fmt.Sprintf("%s/%s does not say that it is PostgreSQL", dir, program))
		}
		bin.Version = m[1] + m[2]
		bin.Major, _ = strconv.Atoi(m[1]) // digits by the pattern
	}
	if bin.Major < MinMajor {
		return Binaries{}, fail(ErrVersion, fmt.Sprintf(
			"%s is PostgreSQL %s, but %d or later is needed", dir, bin.Version, MinMajor))
	}
	return bin, nil
}

// programError turns the failure of a program that was asked for its version
// into a sentence.
func programError(ctx context.Context, program, out string, err error, acct account) error {
	if ctx.Err() != nil {
		return fmt.Errorf("pgtest: asking %s for its version: %w", program, ctx.Err())
	}
	if lib := missingLibrary(out); lib != "" {
		return fail(ErrLibrary, fmt.Sprintf("%s needs the shared library %s, which is not installed", program, lib))
	}
	if errors.Is(err, os.ErrPermission) {
		return fail(ErrPermission, fmt.Sprintf("the user %s may not run %s%s", acct.name, program, acct.blockedBy(program)))
	}
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return fail(ErrFailed, fmt.Sprintf("%s --version ended with %s: %s", program, exit, lastLine(out)))
	}
	return fail(ErrFailed, fmt.Sprintf("%s cannot be run: %v", program, err))
}

var (
	linuxLibrary  = regexp.MustCompile(`error while loading shared libraries: ([^:\s]+)`)
	muslLibrary   = regexp.MustCompile(`Error loading shared library ([^:\s]+)`)
	darwinLibrary = regexp.MustCompile(`Library not loaded: (\S+)`)
)

// missingLibrary finds the name of a library in a dynamic linker's complaint.
func missingLibrary(out string) string {
	for _, pattern := range []*regexp.Regexp{linuxLibrary, muslLibrary, darwinLibrary} {
		if m := pattern.FindStringSubmatch(out); m != nil {
			return m[1]
		}
	}
	return ""
}

// notFound says what to install, on one screen.
func notFound(skipped []string) error {
	var text strings.Builder
	fmt.Fprintf(&text, "no PostgreSQL %d or later found (looked in PATH and the usual folders)\n", MinMajor)
	for i, why := range skipped {
		if i == 5 {
			fmt.Fprintf(&text, "  and %d more that cannot be used\n", len(skipped)-i)
			break
		}
		fmt.Fprintf(&text, "  passed over: %s\n", why)
	}
	fmt.Fprintf(&text, `Install it:
  Debian, Ubuntu   apt-get install postgresql
  Fedora, RHEL     dnf install postgresql-server
  macOS            brew install postgresql@17   (or https://postgresapp.com)
or name the folder of the programs initdb and postgres:
  export %s=/path/to/postgresql/bin`, EnvBin)
	return fail(ErrNotFound, text.String())
}
