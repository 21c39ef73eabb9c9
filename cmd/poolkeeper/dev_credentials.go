package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/poolkeeper/poolkeeper/registry"
)

// credentials is a folder with a file for each login, which holds its
// password.
type credentials struct{ dir string }

// openCredentials makes dev's data folder, which PostgreSQL's user must be able
// to pass, and in it the folder of the passwords, which nobody else may.
func openCredentials(data string) (credentials, error) {
	dir := filepath.Join(data, "credentials")
	err := os.MkdirAll(data, 0o755) //nolint:gosec // as said above
	if err == nil {
		err = os.MkdirAll(dir, 0o700)
	}
	if err == nil {
		err = keepOut(data)
	}
	if err != nil {
		return credentials{}, fmt.Errorf("the data folder %s cannot be used: %w", data, err)
	}
	return credentials{dir}, nil
}

// keepOut makes the data folder invisible to git, wherever it lies: it
// contains passwords.
func keepOut(dir string) error {
	path := filepath.Join(dir, ".gitignore")
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	return os.WriteFile(path, []byte("*\n"), 0o600)
}

// of returns the login's password; the first time it makes one up.
func (c credentials) of(login string) (registry.Secret, error) {
	path := c.path(login)
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		if err := c.invent(path); err != nil {
			return registry.Secret{}, fmt.Errorf("the password of %s cannot be kept: %w", login, err)
		}
	}
	return registry.NewSecret("file:" + path).Resolve("")
}

// invent makes up a password.
func (c credentials) invent(path string) error { return c.keep(path, rand.Text()+"\n") }

// keep writes a secret beside its place and links it there: a file that can be
// seen is whole, and the first of two at the same time wins.
func (c credentials) keep(path, secret string) error {
	file, err := os.CreateTemp(c.dir, ".new-")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(file.Name()) }() // the link is what stays
	_, err = file.WriteString(secret)
	if err := errors.Join(err, file.Close()); err != nil {
		return err
	}
	if err := os.Link(file.Name(), path); !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

// path is the login's file. A login may contain anything, a path separator
// too.
func (c credentials) path(login string) string {
	return filepath.Join(c.dir, strings.ReplaceAll(url.QueryEscape(login), ".", "%2E"))
}
