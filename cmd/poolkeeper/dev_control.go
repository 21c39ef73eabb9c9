package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/poolkeeper/poolkeeper/config"
	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/seal"
)

// controlDatabase is the name of dev's control database on its server. Each
// keyset has its own: a data folder that was lost takes the keyset along, and
// without that nothing in the old one can be opened.
func controlDatabase(keyset registry.Secret) string {
	sum := sha256.Sum256([]byte(keyset.Reveal()))
	return "poolkeeper_control_" + hex.EncodeToString(sum[:4])
}

// devControl gives dev a control database on its server, with a keyset that
// lies beside the passwords, and a folder for exports.
func devControl(cfg *config.Config, db *database, c credentials, data string) error {
	keyset, err := c.keyset()
	if err != nil {
		return err
	}
	dsn := *db.admin
	dsn.Path = "/" + controlDatabase(keyset)
	cfg.Control.DSN, cfg.Control.Keyset = registry.NewSecret(dsn.String()), keyset
	cfg.Onboard.AtStart = true
	if cfg.Onboard.Exports == "" {
		cfg.Onboard.Exports = filepath.Join(data, "exports")
	}
	return nil
}

// keyset returns the key that dev seals passwords with; the first time it
// makes one.
func (c credentials) keyset() (registry.Secret, error) {
	path := filepath.Join(c.dir, ".keyset.json") // no login's file begins with a dot
	text, err := os.ReadFile(path)               //nolint:gosec // dev's own folder
	if err == nil {
		return registry.NewSecret(string(text)), nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return registry.Secret{}, fmt.Errorf("the keyset cannot be read: %w", err)
	}
	made, err := seal.Generate()
	if err == nil {
		err = c.keep(path, made.Reveal())
	}
	if err != nil {
		return registry.Secret{}, fmt.Errorf("the keyset cannot be kept: %w", err)
	}
	return c.keyset() // the first of two at the same time has won
}
