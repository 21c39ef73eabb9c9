package control_test

import (
	"errors"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/poolkeeper/poolkeeper/registry/apikey"
)

// What nobody can read must not get in: with one such row no process would
// hear of any change any more.
func TestATimeOfAKeyIsOneThatCanBeRead(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.serving()
	create(t, d, record("acme"))
	text, made := keyOf(t, d, "acme")
	becomes(t, d, text, "acme")
	for _, column := range []string{"expires_at", "revoked_at"} {
		for _, at := range []string{"infinity", "-infinity", "20000-01-01", "4000-01-01 BC"} {
			_, err := w.conn().Exec(t.Context(), "update poolkeeper.keys set "+column+" = $1::text::timestamptz where id = $2", at, made.ID)
			if refused, ok := errors.AsType[*pgconn.PgError](err); !ok || refused.Code != "23514" {
				t.Errorf("%s %s: got %v", column, at, err)
			}
		}
	}
	w.exec("update poolkeeper.keys set expires_at = '9999-12-31 23:59:59Z' where id = $1", made.ID)
	w.exec("update poolkeeper.keys set expires_at = '1970-01-01Z' where id = $1", made.ID)
	becomes(t, d, text, apikey.ErrExpired.Error())
}
