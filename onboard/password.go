package onboard

import (
	"context"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// iterations is PostgreSQL's own default for SCRAM.
const iterations = 4096

// verifier returns what PostgreSQL stores for a password, so that the password
// itself is never sent.
func verifier(password string) (string, error) {
	salt := make([]byte, 16)
	rand.Read(salt)
	return verifierWith(password, salt)
}

func verifierWith(password string, salt []byte) (string, error) {
	if err := checkPassword(password); err != nil {
		return "", err
	}
	salted, err := pbkdf2.Key(sha256.New, password, salt, iterations, sha256.Size)
	if err != nil {
		return "", err
	}
	stored := sha256.Sum256(mac(salted, "Client Key"))
	encode := base64.StdEncoding.EncodeToString
	return fmt.Sprintf("SCRAM-SHA-256$%d:%s$%s:%s", iterations, encode(salt), encode(stored[:]), encode(mac(salted, "Server Key"))), nil
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

// checkPassword accepts the characters that every client sends as they are;
// others are normalised, and not by all in the same way.
func checkPassword(password string) error {
	if password == "" {
		return refuse(ErrPassword, "it is missing")
	}
	if strings.ContainsFunc(password, func(r rune) bool { return r < ' ' || r > '~' }) {
		return refuse(ErrPassword, "it contains something else than printable ASCII characters")
	}
	return nil
}

// password sets the login's password when the one that the tenant has does not
// work. Looking first keeps a second run from changing anything, and heals a
// tenant that changed its own.
func (p *Provisioner) password(ctx context.Context, a *admin, pl *plan) error {
	ours, err := a.yes(ctx, "select "+marker+" is not null from pg_roles where rolname = $1", pl.login)
	if err != nil || !ours {
		return err // a login that we have not made keeps its password
	}
	right, err := passwordWorks(ctx, pl)
	if err != nil || right {
		return err
	}
	statement, err := a.passwordStatement(ctx, pl)
	if err != nil {
		return err
	}
	return again(ctx, func() error { return a.exec(ctx, "", statement) })
}

// passwordWorks tries the password. The server checks it before almost anything
// else, so another refusal means that it is right, but for those of a server
// that lets nobody in: it may not have looked at it.
func passwordWorks(ctx context.Context, pl *plan) (bool, error) {
	conn, err := pgx.ConnectConfig(ctx, pl.user)
	if err == nil {
		return true, conn.Close(ctx)
	}
	refused, ok := errors.AsType[*pgconn.PgError](err)
	if !ok || shut(refused) {
		return false, err
	}
	return refused.Code != "28P01", nil
}

// shut reports whether a server that starts, stops or is full has refused
// somebody whose password it has not seen. When it is a role, a database or what
// is not reserved that has too many connections, the password was right:
// PostgreSQL's utils/init counts them after it has checked that.
func shut(refused *pgconn.PgError) bool {
	switch refused.Code {
	case "57P03":
		return true
	case "53300":
		return !slices.Contains([]string{"InitializeSessionUserId", "CheckMyDatabase", "InitPostgres"}, refused.Routine)
	}
	return false
}
