package onboard

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
)

// maxName is the length of PostgreSQL's names, in bytes: it cuts longer ones
// short without a word, and two tenants could become one.
const maxName = 63

// quote returns the identifier as SQL has it. Parts are joined by dots.
func quote(parts ...string) string { return pgx.Identifier(parts).Sanitize() }

// checkName refuses what PostgreSQL would change, or keeps for itself. what
// names the field.
func checkName(what, name string) error {
	switch {
	case name == "":
		return refuse(ErrName, "%s is missing", what)
	case len(name) > maxName:
		return refuse(ErrName, "%s %q has %d bytes, and PostgreSQL cuts names after %d", what, name, len(name), maxName)
	case !utf8.ValidString(name) || strings.ContainsRune(name, 0):
		return refuse(ErrName, "%s %q is not valid text", what, name)
	}
	return nil
}

// checkSchema refuses schemas that are not a tenant's to have.
func checkSchema(name string) error {
	if err := checkName("schema", name); err != nil {
		return err
	}
	if strings.HasPrefix(name, "pg_") || name == "information_schema" || name == "public" {
		return refuse(ErrName, "schema %q belongs to PostgreSQL or to everybody; choose one of its own", name)
	}
	return nil
}

// checkRole refuses logins that are not a tenant's to have.
func checkRole(name string) error {
	if err := checkName("login", name); err != nil {
		return err
	}
	if strings.HasPrefix(name, "pg_") || name == "public" || name == "none" {
		return refuse(ErrName, "login %q belongs to PostgreSQL", name)
	}
	return nil
}

// ownerName derives the name of the role that owns something from the thing's
// name; a long one ends with a digest of the whole instead of being cut.
func ownerName(of string) string {
	const suffix = "_owner"
	if len(of)+len(suffix) <= maxName {
		return of + suffix
	}
	sum := sha256.Sum256([]byte(of))
	digest := "_" + hex.EncodeToString(sum[:5])
	cut := maxName - len(suffix) - len(digest)
	for !utf8.RuneStart(of[cut]) {
		cut--
	}
	return of[:cut] + digest + suffix
}
