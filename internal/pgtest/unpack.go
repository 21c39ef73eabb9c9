package pgtest

import (
	"archive/tar"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// maxUnpacked bounds what an archive may unpack to.
const maxUnpacked = 1 << 30

// unpack writes the files below package/native/ of the archive to the new
// folder to. Nothing can be written outside of it: every path goes through an
// os.Root.
func unpack(archive, to string) error {
	file, err := os.Open(archive) //nolint:gosec // a path of ours
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	zipped, err := gzip.NewReader(file)
	if err != nil {
		return err
	}
	if err := os.Mkdir(to, 0o755); err != nil { //nolint:gosec // programs are for everybody
		return err
	}
	root, err := os.OpenRoot(to)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	reader := tar.NewReader(io.LimitReader(zipped, maxUnpacked))
	for {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return os.Chmod(to, 0o755) //nolint:gosec // programs are for everybody, whatever the umask
		}
		if err != nil {
			return err
		}
		name, ok := strings.CutPrefix(path.Clean(header.Name), "package/native/")
		if !ok || header.Typeflag != tar.TypeReg {
			continue
		}
		if err := unpackFile(root, name, header.FileInfo().Mode(), reader); err != nil {
			return err
		}
	}
}

func unpackFile(root *os.Root, name string, mode fs.FileMode, from io.Reader) error {
	for dir := range parents(name) {
		if err := root.Mkdir(dir, 0o755); err == nil {
			err = root.Chmod(dir, 0o755)
			if err != nil {
				return err
			}
		} else if !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	perm := fs.FileMode(0o644)
	if mode&0o111 != 0 || strings.HasPrefix(name, "bin/") {
		perm = 0o755
	}
	out, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, perm)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, from)
	return errors.Join(err, out.Chmod(perm), out.Close())
}

// parents yields the folders above name, the outermost first.
func parents(name string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for i, r := range name {
			if r == '/' && !yield(name[:i]) {
				return
			}
		}
	}
}

// restoreLinks makes the symbolic links that an npm package cannot contain:
// the file pg-symlinks.json lists them, with paths relative to the package.
func restoreLinks(native string) error {
	text, err := os.ReadFile(filepath.Join(native, "pg-symlinks.json")) //nolint:gosec // a path of ours
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var links []struct{ Source, Target string }
	if err := json.Unmarshal(text, &links); err != nil {
		return err
	}
	root, err := os.OpenRoot(native)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	for _, link := range links {
		source, okSource := strings.CutPrefix(path.Clean(link.Source), "native/")
		target, okTarget := strings.CutPrefix(path.Clean(link.Target), "native/")
		if !okSource || !okTarget {
			return errors.New("a link leads out of the package")
		}
		relative, err := filepath.Rel(path.Dir(target), source)
		if err == nil {
			err = root.Symlink(relative, target)
		}
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	return nil
}
