package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/seal"
)

// newSecretFile writes a file that only its owner may read, and none that is
// there already: whoever overwrites a keyset loses every secret that it sealed.
func newSecretFile(path string, secret registry.Secret) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // who runs the command names it
	if errors.Is(err, fs.ErrExist) {
		return usageError{fmt.Errorf("%s is there already; name another file with --output", path)}
	}
	if err != nil {
		return fmt.Errorf("writing the keyset: %w", err)
	}
	if err := fill(file, secret); err != nil {
		return errors.Join(fmt.Errorf("writing the keyset: %w", err), os.Remove(path))
	}
	return nil
}

// fill writes the secret, has it reach the disk, and closes the file.
func fill(file *os.File, secret registry.Secret) error {
	_, err := file.WriteString(secret.Reveal() + "\n")
	if err == nil {
		err = file.Sync()
	}
	if closed := file.Close(); err == nil {
		err = closed
	}
	return err
}

// rotateKeyset gives the keyset in a file a new primary key. A link stays one:
// what it leads to is replaced.
func rotateKeyset(path string) error {
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		return fmt.Errorf("reading the keyset: %w", err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("reading the keyset: %w", err)
	}
	rotated, err := seal.Rotate(registry.NewSecret(string(text)))
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return replaceSecret(path, rotated)
}

// replaceSecret replaces a file by one that only its owner may read, all of it
// or nothing. It keeps its owner: a server may have to read what root rotates.
func replaceSecret(path string, secret registry.Secret) error {
	file, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".new-*") // mode 0600
	if err != nil {
		return fmt.Errorf("writing the keyset: %w", err)
	}
	err = sameOwner(path, file)
	if filled := fill(file, secret); err == nil {
		err = filled
	}
	if err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("writing the keyset: %w", err), os.Remove(file.Name()))
	}
	return nil
}

// sameOwner gives the file the owner of the one at path.
func sameOwner(path string, file *os.File) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return nil // a system without owners of that kind
	}
	return file.Chown(int(owner.Uid), int(owner.Gid))
}
