package control

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/seal"
)

// resealed is how many records are sealed again while other writers wait.
const resealed = 200

// Reseal seals every secret anew with the keyset's primary key; it returns how
// many were not yet. One that cannot be opened stays as it is and is part of
// the error, which comes after all others were sealed.
func (d *Database) Reseal(ctx context.Context) (int, error) {
	if d.keyset == nil {
		return 0, fmt.Errorf("%w: control.keyset is not set, and there is nothing to seal with", ErrKeyset)
	}
	n, err := d.resealCanary(ctx)
	if err != nil {
		return n, err
	}
	var wrong []error
	switch peppers, err := d.resealPepper(ctx); {
	case errors.Is(err, ErrKeyset):
		wrong = append(wrong, err)
	case err != nil:
		return n, fmt.Errorf("control: sealing the pepper of keys again: %w", err)
	default:
		n += peppers
	}
	for _, table := range sealedTables() {
		for after, more := "", true; more; {
			page, err := d.resealPage(ctx, table, after)
			if err != nil {
				return n, fmt.Errorf("control: sealing the secrets again: %w", err)
			}
			n += page.sealed
			wrong = append(wrong, page.wrong...)
			after, more = page.last, page.last != ""
		}
	}
	return n, errors.Join(wrong...)
}

func (d *Database) resealCanary(ctx context.Context) (int, error) {
	old, err := d.canary(ctx)
	if err != nil || d.keyset.Current(old) {
		return 0, err
	}
	text, err := d.keyset.Seal(registry.ID{}, fieldCanary, registry.NewSecret(canary))
	if err == nil {
		_, err = d.pool.Exec(ctx, "UPDATE poolkeeper.canary SET sealed = $1", text)
	}
	return 1, err
}

// A sealedTable has secrets. $1 of read is the id after which a page begins,
// $2 its length; the columns are those of secrets, unused ones ”.
type sealedTable struct{ read, write string }

func sealedTables() []sealedTable {
	return []sealedTable{{
		read: `SELECT id, password, next_password, read_password, dsn FROM poolkeeper.tenants WHERE id > $1
			AND (password LIKE 'sealed:%' OR next_password LIKE 'sealed:%' OR read_password LIKE 'sealed:%' OR dsn LIKE 'sealed:%')
			ORDER BY id LIMIT $2 FOR NO KEY UPDATE`,
		write: "UPDATE poolkeeper.tenants SET password = $2, next_password = $3, read_password = $4, dsn = $5 WHERE id = $1",
	}, {
		read: `SELECT id, password, '', '', '' FROM poolkeeper.spares WHERE id > $1 AND password LIKE 'sealed:%'
			ORDER BY id LIMIT $2 FOR NO KEY UPDATE`,
		write: "UPDATE poolkeeper.spares SET password = $2 WHERE id = $1 AND $3 = '' AND $4 = '' AND $5 = ''",
	}}
}

// secrets are the texts of one row.
type secrets struct {
	id                        registry.ID
	password, next, read, dsn string
}

// resealing is what became of one page of a table.
type resealing struct {
	last   string // the id that the next page begins after; "" when there is none
	sealed int
	wrong  []error
}

// resealPage seals a page again while the other writers wait.
func (d *Database) resealPage(ctx context.Context, table sealedTable, after string) (r resealing, err error) {
	err = d.writeTx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, takeTurn); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, table.read, after, resealed)
		if err != nil {
			return err
		}
		page, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (s secrets, err error) {
			err = row.Scan((*storedID)(&s.id), &s.password, &s.next, &s.read, &s.dsn)
			return s, err
		})
		if err != nil {
			return err
		}
		batch := &pgx.Batch{}
		for _, s := range page {
			if n := d.again(&s, &r); n > 0 {
				r.sealed += n
				batch.Queue(table.write, s.id.String(), s.password, s.next, s.read, s.dsn)
			}
		}
		if len(page) == resealed {
			r.last = page[len(page)-1].id.String()
		}
		return tx.SendBatch(ctx, batch).Close()
	})
	return r, err
}

// again seals the texts that are not the primary key's and returns how many.
func (d *Database) again(s *secrets, r *resealing) int {
	n := 0
	for _, f := range []struct {
		field string
		text  *string
	}{{fieldPassword, &s.password}, {fieldNextPassword, &s.next}, {fieldReadPassword, &s.read}, {fieldDSN, &s.dsn}} {
		if !seal.Sealed(*f.text) || d.keyset.Current(*f.text) {
			continue
		}
		secret, err := d.keyset.Open(s.id, f.field, *f.text)
		if err == nil {
			*f.text, err = d.keyset.Seal(s.id, f.field, secret)
		}
		if err != nil {
			r.wrong = append(r.wrong, err)
			continue
		}
		n++
	}
	return n
}
