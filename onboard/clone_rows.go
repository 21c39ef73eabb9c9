package onboard

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"
)

// copyRows replaces the rows that the migrations made in the target by those
// of the source, in the transactions of both. The target's triggers have done
// their work in the source.
func (c *copying) copyRows(ctx context.Context, read, write pgx.Tx) error {
	tables, err := c.tablesOf(ctx, read, c.from)
	if err != nil {
		return err
	}
	if err := lockTables(ctx, read, c.from, tables); err != nil {
		return err
	}
	triggers, err := c.triggers(ctx, write)
	if err != nil {
		return err
	}
	if err := executeAll(ctx, write, append(triggers.disable, c.empty(tables)...)); err != nil {
		return err
	}
	for _, t := range tables {
		if err := c.copyTable(ctx, read.Conn(), write.Conn(), t); err != nil {
			return fmt.Errorf("table %s: %w", t.Name, err)
		}
	}
	if err := c.refresh(ctx, read, write); err != nil {
		return err
	}
	if err := c.sequences(ctx, read, write); err != nil {
		return err
	}
	var comment string
	if err := write.QueryRow(ctx, "select pg_catalog.quote_literal($1::text)", c.cloned()).Scan(&comment); err != nil {
		return err
	}
	// Deferred keys are checked first: a table may not be altered before.
	last := append([]string{"SET CONSTRAINTS ALL IMMEDIATE"}, triggers.enable...)
	return executeAll(ctx, write, append(last, "COMMENT ON SCHEMA "+quote(c.to.schema)+" IS "+comment))
}

func executeAll(ctx context.Context, tx pgx.Tx, statements []string) error {
	for _, sql := range statements {
		if _, err := tx.Exec(ctx, sql); err != nil {
			return err
		}
	}
	return nil
}

// lockTables keeps what is about to be read what it is.
func lockTables(ctx context.Context, tx pgx.Tx, pl *plan, tables []rowTable) error {
	for _, t := range tables {
		if _, err := tx.Exec(ctx, "LOCK TABLE "+quote(pl.schema, t.Name)+" IN ACCESS SHARE MODE"); err != nil {
			return fmt.Errorf("table %s: %w", t.Name, err)
		}
	}
	return nil
}

// empty removes the rows that migrations insert: the source has them as well,
// or has removed or changed them.
func (c *copying) empty(tables []rowTable) []string {
	if len(tables) == 0 {
		return nil
	}
	names := make([]string, len(tables))
	for i, t := range tables {
		names[i] = quote(c.to.schema, t.Name)
	}
	return []string{"TRUNCATE TABLE " + strings.Join(names, ", "), "SET CONSTRAINTS ALL DEFERRED"}
}

// copyTable streams the rows of one table. A partitioned one is read and
// written as a whole.
func (c *copying) copyTable(ctx context.Context, source, target *pgx.Conn, t rowTable) error {
	format, columns := "", ""
	if t.Binary {
		format = " (FORMAT binary)"
	}
	if len(t.Columns) > 0 {
		columns = " (" + quoteEach(t.Columns) + ")"
	}
	from := "COPY " + quote(c.from.schema, t.Name) + columns + " TO STDOUT" + format
	if t.Partitioned {
		from = "COPY (SELECT " + quoteEach(t.Columns) + " FROM " + quote(c.from.schema, t.Name) + ") TO STDOUT" + format
	}
	to := "COPY " + quote(c.to.schema, t.Name) + columns + " FROM STDIN" + format
	return stream(ctx, source, from, target, to)
}

// stream runs both statements, the output of one being the input of the other.
func stream(ctx context.Context, source *pgx.Conn, from string, target *pgx.Conn, to string) error {
	r, w := io.Pipe()
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		_, err := source.PgConn().CopyTo(ctx, w, from)
		return errors.Join(err, w.CloseWithError(err))
	})
	g.Go(func() error {
		_, err := target.PgConn().CopyFrom(ctx, r, to)
		return errors.Join(err, r.CloseWithError(err))
	})
	return g.Wait()
}

// switches turn triggers off and on.
type switches struct{ disable, enable []string }

// triggers lists the target's that fire.
func (c *copying) triggers(ctx context.Context, tx pgx.Tx) (switches, error) {
	const query = `select c.relname::text, t.tgname::text, t.tgenabled = 'A' from pg_trigger t join pg_class c on c.oid = t.tgrelid
		join pg_namespace n on n.oid = c.relnamespace
		where n.nspname = $1 and not t.tgisinternal and t.tgenabled in ('O', 'A') and c.relkind in ('r', 'p') order by 1, 2`
	rows, err := tx.Query(ctx, query, c.to.schema)
	if err != nil {
		return switches{}, err
	}
	all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[struct {
		Table, Name string
		Always      bool
	}])
	var s switches
	for _, t := range all {
		alter, enable := "ALTER TABLE ONLY "+quote(c.to.schema, t.Table), " ENABLE TRIGGER "
		if t.Always {
			enable = " ENABLE ALWAYS TRIGGER "
		}
		s.disable = append(s.disable, alter+" DISABLE TRIGGER "+quote(t.Name))
		s.enable = append(s.enable, alter+enable+quote(t.Name))
	}
	return s, err
}

// refresh fills the materialized views that are filled in the source, in the
// order in which they were made: one may read another.
func (c *copying) refresh(ctx context.Context, read, write pgx.Tx) error {
	const query = `select c.relname::text from pg_class c join pg_namespace n on n.oid = c.relnamespace
		where n.nspname = $1 and c.relkind = 'm' and (c.relispopulated or $2) order by c.oid`
	filled, err := texts(ctx, read, query, c.from.schema, false)
	if err != nil {
		return err
	}
	all, err := texts(ctx, write, query, c.to.schema, true)
	if err != nil {
		return err
	}
	for _, name := range all {
		if !slices.Contains(filled, name) {
			continue
		}
		if _, err := write.Exec(ctx, "REFRESH MATERIALIZED VIEW "+quote(c.to.schema, name)); err != nil {
			return fmt.Errorf("materialized view %s: %w", name, err)
		}
	}
	return nil
}

// sequences has the target count on where the source is. It comes late,
// because a rollback does not undo it.
func (c *copying) sequences(ctx context.Context, read, write pgx.Tx) error {
	const query = `select c.relname::text from pg_class c join pg_namespace n on n.oid = c.relnamespace
		where n.nspname = $1 and c.relkind = 'S' and c.relname <> $2 order by 1`
	names, err := texts(ctx, read, query, c.from.schema, versionTable+"_id_seq")
	if err != nil {
		return err
	}
	for _, name := range names {
		var last int64
		var called bool
		if err := read.QueryRow(ctx, "select last_value, is_called from "+quote(c.from.schema, name)).Scan(&last, &called); err != nil {
			return fmt.Errorf("sequence %s: %w", name, err)
		}
		if _, err := write.Exec(ctx, "select pg_catalog.setval($1::regclass, $2, $3)", quote(c.to.schema, name), last, called); err != nil {
			return fmt.Errorf("sequence %s: %w", name, err)
		}
	}
	return nil
}

// texts reads a column.
func texts(ctx context.Context, db querier, query string, args ...any) ([]string, error) {
	rows, err := db.Query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}
