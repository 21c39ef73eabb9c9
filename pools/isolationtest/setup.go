package isolationtest

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/poolkeeper/poolkeeper/pools"
	"github.com/poolkeeper/poolkeeper/registry"
)

// Keeper is what the suite needs of a *pools.Keeper.
type Keeper interface {
	Lease(ctx context.Context, id registry.ID) (*pools.Lease, error)
	Evict(id registry.ID) bool
}

// DB is what statements run on: a lease, a connection of it, a transaction.
type DB interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// Setup says which tenants are compared, and where their data is. The suite
// makes no table. It writes rows that bear a marker, a text of some 40 letters
// and digits that nobody else writes, and takes them away at the end.
type Setup struct {
	// Keeper lends the two tenants' pools. It should have the settings of
	// production; the suite needs two connections of each tenant.
	Keeper Keeper
	// A and B are two tenants that must not see one another's data.
	A, B registry.ID

	// Table is one that both have, by the same name, as their SQL would write
	// it; Column is a text column of it. A row that gives this column alone
	// must be possible, else set Insert.
	Table, Column string

	// Insert, Count and Delete replace what the suite would do with Table and
	// Column: write a row that bears the marker, count the tenant's rows that
	// do, and delete them. Give none of them or all three.
	Insert func(ctx context.Context, db DB, marker string) error
	Count  func(ctx context.Context, db DB, marker string) (int, error)
	Delete func(ctx context.Context, db DB, marker string) error

	// RowSetting is pools.Config's. Default that of [pools.Defaults].
	RowSetting string
}

// complete fills in what was left out, or says what is missing.
func (s Setup) complete() (Setup, error) {
	own := 0
	for _, given := range []bool{s.Insert != nil, s.Count != nil, s.Delete != nil} {
		if given {
			own++
		}
	}
	switch {
	case s.Keeper == nil:
		return s, errors.New("isolationtest: Setup.Keeper: nil; give it your *pools.Keeper")
	case s.A.IsZero() || s.B.IsZero() || s.A == s.B:
		return s, errors.New("isolationtest: Setup.A, Setup.B: name two different tenants")
	case own != 0 && own != 3:
		return s, errors.New("isolationtest: Setup.Insert, Setup.Count, Setup.Delete: give none of them, or all three")
	case own == 0 && (s.Table == "" || s.Column == ""):
		return s, errors.New("isolationtest: Setup.Table, Setup.Column: name a table that both tenants have and a text column of it")
	}
	if s.RowSetting == "" {
		s.RowSetting = pools.Defaults().RowSetting
	}
	if own == 0 {
		s.Insert, s.Count, s.Delete = s.insert, s.count, s.remove
	}
	return s, nil
}

func (s Setup) insert(ctx context.Context, db DB, marker string) error {
	_, err := db.Exec(ctx, fmt.Sprintf("INSERT INTO %s (%s) VALUES ($1)", s.Table, s.Column), marker)
	return err
}

func (s Setup) count(ctx context.Context, db DB, marker string) (n int, err error) {
	err = db.QueryRow(ctx, fmt.Sprintf("SELECT count(*) FROM %s WHERE %s = $1", s.Table, s.Column), marker).Scan(&n)
	return n, err
}

func (s Setup) remove(ctx context.Context, db DB, marker string) error {
	_, err := db.Exec(ctx, fmt.Sprintf("DELETE FROM %s WHERE %s = $1", s.Table, s.Column), marker)
	return err
}
