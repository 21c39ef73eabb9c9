package pools

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// InTx runs fn in a transaction that is committed when fn returns nil and
// rolled back when it returns an error or panics.
func (l *Lease) InTx(ctx context.Context, options pgx.TxOptions, fn func(pgx.Tx) error) error {
	return pgx.BeginTxFunc(ctx, l, options, fn)
}

// InTxRetry is InTx with the [Retry] that sets nothing: fn is run again in a
// new transaction when PostgreSQL ended the one before in favour of others. fn
// must be repeatable: all that it does is done in its transaction, or may be
// done several times.
func (l *Lease) InTxRetry(ctx context.Context, options pgx.TxOptions, fn func(pgx.Tx) error) error {
	return Retry{}.Do(ctx, func() error { return l.InTx(ctx, options, fn) })
}

// InTxWith is InTx with settings that are in force until the transaction ends,
// for SQL and row policies that ask who is calling:
//
//	lease.InTxWith(ctx, pgx.TxOptions{}, map[string]string{"app.user": subject}, fn)
//	-- and in a policy: owner = current_setting('app.user', true)
//
// Put in them what was verified, such as the claims of a token. They are no
// wall against the SQL of the transaction itself, which can change them: all
// of it must be the program's own.
//
// Names are custom settings, two words or more with a dot between; the one
// that names the tenant to row policies ([Config].RowSetting) is not among
// them. Another name is [ErrSetting], and nothing was done.
func (l *Lease) InTxWith(ctx context.Context, options pgx.TxOptions, settings map[string]string, fn func(pgx.Tx) error) error {
	names := slices.Sorted(maps.Keys(settings))
	for _, name := range names {
		if err := l.checkSetting(name, settings[name]); err != nil {
			return err
		}
	}
	return l.InTx(ctx, options, func(tx pgx.Tx) error {
		if err := makeSettings(ctx, tx, names, settings); err != nil {
			return fmt.Errorf("tenant %s: making settings: %w", l.entry.tenant.ID, err)
		}
		return fn(tx)
	})
}

// customSetting is the name of a setting that PostgreSQL has no meaning for.
var customSetting = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)+$`)

// checkSetting keeps a setting from being what the session is pinned by. The
// value is in no message: it may be anybody's.
func (l *Lease) checkSetting(name, value string) error {
	switch {
	case !customSetting.MatchString(name) || len(name) > 63:
		return fmt.Errorf("%w: tenant %s: %q is no custom setting; use words with a dot, like app.user", ErrSetting, l.entry.tenant.ID, name)
	case strings.EqualFold(name, l.entry.keeper.cfg.RowSetting): // PostgreSQL folds the names of settings
		return fmt.Errorf("%w: tenant %s: %q names the tenant to row policies; use another one", ErrSetting, l.entry.tenant.ID, name)
	case strings.ContainsRune(value, 0):
		return fmt.Errorf("%w: tenant %s: the value of %s contains a NUL byte, which PostgreSQL cannot take", ErrSetting, l.entry.tenant.ID, name)
	default:
		return nil
	}
}

// setLocal makes any number of settings in one round trip.
const setLocal = `SELECT pg_catalog.set_config(s.name, s.value, true) FROM ROWS FROM (` +
	`pg_catalog.unnest($1::pg_catalog.text[]), pg_catalog.unnest($2::pg_catalog.text[])) AS s(name, value)`

func makeSettings(ctx context.Context, tx pgx.Tx, names []string, settings map[string]string) error {
	if len(names) == 0 {
		return nil
	}
	values := make([]string, len(names))
	for i, name := range names {
		values[i] = settings[name]
	}
	_, err := tx.Exec(ctx, setLocal, names, values)
	return err
}
