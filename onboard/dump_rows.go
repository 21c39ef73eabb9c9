package onboard

import (
	"archive/tar"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"time"

	"github.com/jackc/pgx/v5"
)

// manifest says what is in an export of rows.
type manifest struct {
	Tenant        string          `json:"tenant"`
	At            time.Time       `json:"at"`
	ServerVersion string          `json:"server_version"`
	Schema        string          `json:"schema"`
	Tables        []manifestTable `json:"tables"`
}

type manifestTable struct {
	Name    string   `json:"name"`
	File    string   `json:"file"` // in the same archive
	Columns []string `json:"columns"`
	Rows    int64    `json:"rows"`
}

// exportRows writes what the tenant sees of the shared tables.
func (p *Provisioner) exportRows(ctx context.Context, pl *plan, w io.Writer) error {
	conn, err := pgx.ConnectConfig(ctx, pl.user)
	if err != nil {
		return fmt.Errorf("connecting as the tenant: %w", err)
	}
	defer hangUp(ctx, conn)
	out := tar.NewWriter(w)
	err = pgx.BeginTxFunc(ctx, conn, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		return p.exportTables(ctx, tx, pl, out)
	})
	return errors.Join(err, out.Close())
}

func (p *Provisioner) exportTables(ctx context.Context, tx pgx.Tx, pl *plan, out *tar.Writer) error {
	const be = `select set_config($1, $2, true), set_config('statement_timeout', '0', true), set_config('client_encoding', 'UTF8', true),
		set_config('DateStyle', 'ISO', true), set_config('extra_float_digits', '1', true)`
	if _, err := tx.Exec(ctx, be, p.cfg.RowSetting, pl.tenant.ID.String()); err != nil {
		return err
	}
	m := manifest{Tenant: pl.tenant.ID.String(), Schema: pl.schema, ServerVersion: tx.Conn().PgConn().ParameterStatus("server_version")}
	if err := tx.QueryRow(ctx, "select now()").Scan(&m.At); err != nil {
		return err
	}
	const query = `select c.relname::text, '', array(select a.attname::text from pg_attribute a
			where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped order by a.attnum), 0::bigint
		from pg_class c join pg_namespace n on n.oid = c.relnamespace
		where n.nspname = $1 and c.relkind in ('r', 'p') and not c.relispartition and has_table_privilege(c.oid, 'SELECT')
		and exists (select from pg_attribute a where a.attrelid = c.oid and a.attname = 'tenant_id' and a.attnum > 0) order by 1`
	rows, err := tx.Query(ctx, query, pl.schema)
	if err != nil {
		return err
	}
	if m.Tables, err = pgx.CollectRows(rows, pgx.RowToStructByPos[manifestTable]); err != nil {
		return err
	}
	for i := range m.Tables {
		if err := exportTable(ctx, tx, pl, &m.Tables[i], m.At, out); err != nil {
			return fmt.Errorf("table %s: %w", m.Tables[i].Name, err)
		}
	}
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	if err := out.WriteHeader(header("manifest.json", int64(len(text)), m.At)); err != nil {
		return err
	}
	_, err = out.Write(text)
	return err
}

// exportTable writes one table by way of a file, because an archive wants to
// know sizes first. The file has no name for longer than need be: a process
// that is killed leaves no data of the tenant's behind.
func exportTable(ctx context.Context, tx pgx.Tx, pl *plan, t *manifestTable, at time.Time, out *tar.Writer) (err error) {
	file, err := os.CreateTemp("", "poolkeeper-export-")
	if err != nil {
		return err
	}
	unnamed := os.Remove(file.Name()) == nil // not where an open file keeps its name
	defer func() {
		err = errors.Join(err, file.Close())
		if !unnamed {
			err = errors.Join(err, os.Remove(file.Name()))
		}
	}()
	t.File = url.PathEscape(t.Name) + ".csv" // a name may hold a slash
	sql := "COPY (SELECT " + quoteEach(t.Columns) + " FROM " + quote(pl.schema, t.Name) + ") TO STDOUT (FORMAT csv, HEADER)"
	tag, err := tx.Conn().PgConn().CopyTo(ctx, file, sql)
	if err != nil {
		return err
	}
	t.Rows = tag.RowsAffected()
	size, err := file.Seek(0, io.SeekCurrent)
	if err != nil {
		return err
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	if err := out.WriteHeader(header(t.File, size, at)); err != nil {
		return err
	}
	_, err = io.Copy(out, file)
	return err
}

func header(name string, size int64, at time.Time) *tar.Header {
	return &tar.Header{Name: name, Size: size, Mode: 0o600, ModTime: at.Truncate(time.Second), Format: tar.FormatPAX}
}
