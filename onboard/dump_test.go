package onboard_test

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/poolkeeper/poolkeeper/onboard"
	"github.com/poolkeeper/poolkeeper/registry"
)

// clientProgram returns a program of PostgreSQL that can work with the test's
// server, or "" when this machine has none.
func (w *world) clientProgram(name string) string {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/" + name)
	found = append(found, filepath.Join(w.srv.Binaries().Dir, name))
	for _, program := range found {
		out, err := exec.CommandContext(w.t.Context(), program, "--version").Output()
		if _, version, ok := strings.Cut(string(out), ") "); err == nil && ok && majorOf(version) >= w.srv.Version() {
			return program
		}
	}
	return ""
}

// export exports, or checks that it is refused where no pg_dump is new enough.
func (w *world) export(p *onboard.Provisioner, t *registry.Tenant) (dump []byte, ok bool) {
	w.t.Helper()
	var buf bytes.Buffer
	format, err := p.Export(w.t.Context(), t, &buf)
	if w.clientProgram("pg_dump") == "" {
		if !errors.Is(err, onboard.ErrExport) || !contains(err, "the server has version") || buf.Len() > 0 {
			w.t.Errorf("without a pg_dump that is new enough: %v", err)
		}
		return nil, false
	}
	if err != nil || format != onboard.FormatCustom {
		w.t.Fatalf("%q, %v", format, err)
	}
	return buf.Bytes(), true
}

// restore restores a dump as an ordinary role that owns an empty database, and
// returns its DSN.
func (w *world) restore(dump []byte) string {
	w.t.Helper()
	owner, database := w.prefix+"_customer", w.prefix+"_restored"
	w.super("CREATE ROLE "+owner+" LOGIN PASSWORD 'customer'", "CREATE DATABASE "+database+" OWNER "+owner+" TEMPLATE template0")
	w.t.Cleanup(func() { w.super("DROP DATABASE "+database+" WITH (FORCE)", "DROP ROLE "+owner) })
	dsn := w.srv.DSN(database, owner, "customer")
	cmd := exec.CommandContext(w.t.Context(), w.clientProgram("pg_restore"), "--no-owner", "--exit-on-error", "--dbname="+dsn)
	cmd.Stdin = bytes.NewReader(dump)
	if out, err := cmd.CombinedOutput(); err != nil {
		w.t.Fatalf("pg_restore: %v: %s", err, out)
	}
	return dsn
}

func TestAnExportedSchemaCanBeRestoredByAnybody(t *testing.T) {
	t.Parallel()
	for _, ddl := range []bool{false, true} {
		t.Run(map[bool]string{false: "owner", true: "ddl"}[ddl], func(t *testing.T) {
			t.Parallel()
			forEachAdministrator(t, func(t *testing.T, w *world) {
				a, b := w.tenant("a", registry.IsolationSchema), w.tenant("a-b", registry.IsolationSchema)
				a.DDL, a.Schema = ddl, w.prefix+`.a"*`
				b.Schema, b.Login = w.prefix+`.a"*x`, w.prefix+"b"
				p := w.provisioner(onboard.Config{Migrations: tenantTables(t)})
				w.provision(p, a, b)
				w.exec(w.as(a), "insert into items (name) values ('mine')")
				dump, ok := w.export(p, a)
				if !ok {
					return
				}
				conn := w.connect(w.restore(dump))
				got := w.strings(conn, "select name from "+onboard.Quote(a.Schema, "names")+" order by 1")
				if want := w.strings(w.as(a), "select name from names order by 1"); !slices.Equal(got, want) || len(want) != 2 {
					t.Errorf("restored %q, want %q", got, want)
				}
				if got := w.strings(conn, "select nspname::text from pg_namespace where nspname like $1 || '%'", w.prefix); !slices.Equal(got, []string{a.Schema}) {
					t.Errorf("the dump has the schemas %q", got)
				}
			})
		})
	}
}

func TestAnExportedDatabaseCanBeRestoredByAnybody(t *testing.T) {
	t.Parallel()
	for _, ddl := range []bool{false, true} {
		t.Run(map[bool]string{false: "owner", true: "ddl"}[ddl], func(t *testing.T) {
			t.Parallel()
			forEachAdministrator(t, func(t *testing.T, w *world) {
				a := w.tenant("a", registry.IsolationDatabase)
				a.DDL = ddl
				p := w.provisioner(onboard.Config{Migrations: tenantTables(t)})
				w.provision(p, a)
				dump, ok := w.export(p, a)
				if !ok {
					return
				}
				if got := w.strings(w.connect(w.restore(dump)), "select name from names"); !slices.Equal(got, []string{"public in " + a.Database}) {
					t.Errorf("restored %q", got)
				}
			})
		})
	}
}

func TestATenantWithItsOwnConnectionStringIsExportedWithIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.tenant("a", registry.IsolationSchema)
	a.DDL = true
	w.provision(w.provisioner(onboard.Config{Migrations: tenantTables(t)}), a)
	a.DSN = registry.NewSecret(w.dsnOf(a, ""))
	a.Login, a.Password = "", registry.Secret{}
	dump, ok := w.export(w.provisioner(onboard.Config{}), a)
	if !ok {
		return
	}
	if got := w.strings(w.connect(w.restore(dump)), "select name from "+a.Schema+".items"); len(got) != 1 {
		t.Errorf("restored %q", got)
	}
}

func TestAPgDumpThatIsTooOldIsRefusedBeforeItRuns(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.tenant("a", registry.IsolationSchema)
	w.provision(w.provisioner(onboard.Config{}), a)
	old := program(t, `if [ "$1" = --version ]; then echo "pg_dump (PostgreSQL) 9.6.24"; else echo ran; fi`)
	var buf bytes.Buffer
	_, err := w.provisioner(onboard.Config{PgDump: old}).Export(t.Context(), a, &buf)
	if !errors.Is(err, onboard.ErrExport) || !contains(err, "9.6.24", "the server has version", old) || buf.Len() > 0 {
		t.Errorf("got %v, %q", err, &buf)
	}
	_, err = w.provisioner(onboard.Config{PgDump: "/nonexistent/pg_dump"}).Export(t.Context(), a, &buf)
	if !errors.Is(err, onboard.ErrExport) || !contains(err, "/nonexistent/pg_dump does not run") {
		t.Errorf("got %v", err)
	}
}

// program writes a shell script.
func program(t *testing.T, script string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "pg_dump")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestPgDumpGetsItsConnectionWithoutASecretInItsArguments(t *testing.T) {
	t.Parallel()
	w := newOrdinaryWorld(t)
	a := w.tenant("a", registry.IsolationSchema)
	w.provision(w.provisioner(onboard.Config{}), a)
	var reserved, released int
	p := w.provisioner(onboard.Config{PgDump: program(t, `if [ "$1" = --version ]; then echo "pg_dump (PostgreSQL) 99.1"; else echo "$@"; env; echo "so it is" >&2; exit 3; fi`)})
	p.Reserving(func(_ context.Context, cluster string) (func(), error) {
		if cluster == "main" {
			reserved++
		}
		return func() { released++ }, nil
	})
	var buf bytes.Buffer
	_, err := p.Export(t.Context(), a, &buf)
	if err == nil || !contains(err, "so it is", "exit status 3") || contains(err, "prov\n") {
		t.Errorf("got %v", err)
	}
	arguments, environment, _ := strings.Cut(buf.String(), "\n")
	if want := `--schema="` + a.Schema + `"`; !strings.Contains(arguments, want) || !strings.Contains(arguments, "--role="+w.ownerOf(a)) {
		t.Errorf("the arguments are %s", arguments)
	}
	for _, want := range []string{"PGPASSWORD=prov", "PGUSER=" + w.prefix + "_provisioner", "PGDATABASE=" + w.database, "PGSSLMODE=disable", "PGHOST=127.0.0.1"} {
		if !slices.Contains(strings.Split(environment, "\n"), want) {
			t.Errorf("%s is not in the environment", want)
		}
	}
	if strings.Contains(arguments, "postgres://") || strings.Contains(arguments, "assword=") || reserved != 1 || released != 1 {
		t.Errorf("reserved %d, released %d, arguments %s", reserved, released, arguments)
	}
}

func TestAnExportEndsWithItsContext(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.tenant("a", registry.IsolationSchema)
	w.provision(w.provisioner(onboard.Config{}), a)
	p := w.provisioner(onboard.Config{PgDump: program(t, `if [ "$1" = --version ]; then echo "pg_dump (PostgreSQL) 99.1"; else echo begun; exec sleep 1000; fi`)})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	_, err := p.Export(ctx, a, writerFunc(func(b []byte) (int, error) { cancel(); return len(b), nil }))
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

func TestRowsAreExportedAsTheTenantSeesThem(t *testing.T) {
	t.Parallel()
	forEachAdministrator(t, func(t *testing.T, w *world) {
		a, b := w.tenant("a", registry.IsolationRow), w.tenant("b", registry.IsolationRow)
		p := w.provisioner(onboard.Config{Shared: folder(t, map[string]string{"00001_shop.sql": sharedShop + `CREATE TABLE "../up" (tenant_id text, x text);`})})
		w.provision(p, a, b)
		for _, tenant := range []*registry.Tenant{a, b} {
			w.exec(w.as(tenant), "insert into z_customers (tenant_id, name) values ($1, E'line,\\n\"of\" ' || $1)", tenant.ID.String())
			w.exec(w.as(tenant), "insert into numbered select $1, generate_series(1, 5)", tenant.ID.String())
		}
		var buf bytes.Buffer
		format, err := p.Export(t.Context(), a, &buf)
		if err != nil || format != onboard.FormatTar {
			t.Fatalf("%q, %v", format, err)
		}
		files := untar(t, &buf)
		var m struct {
			Tenant string
			Tables []struct {
				Name, File string
				Rows       int64
			}
		}
		if err := json.Unmarshal(files["manifest.json"], &m); err != nil || m.Tenant != a.ID.String() {
			t.Fatalf("manifest %s: %v", files["manifest.json"], err)
		}
		rows := map[string]int64{}
		for _, table := range m.Tables {
			rows[table.Name] = table.Rows
			records, err := csv.NewReader(bytes.NewReader(files[table.File])).ReadAll()
			if err != nil || int64(len(records)) != table.Rows+1 {
				t.Errorf("%s has %d records: %v", table.File, len(records), err)
			}
			if table.Name == "z_customers" && records[1][2] != "line,\n\"of\" "+a.ID.String() {
				t.Errorf("%q", records)
			}
			if strings.Contains(string(files[table.File]), b.ID.String()) || strings.Contains(table.File, "/") {
				t.Errorf("%s: %s", table.File, files[table.File])
			}
		}
		if rows["z_customers"] != 1 || rows["numbered"] != 5 || rows["a_orders"] != 0 || len(rows) != 4 {
			t.Errorf("the manifest says %v", rows)
		}
	})
}

func untar(t *testing.T, r io.Reader) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	for in := tar.NewReader(r); ; {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		if files[h.Name], err = io.ReadAll(in); err != nil {
			t.Fatal(err)
		}
	}
}

// majorOf is the number before the first dot.
func majorOf(version string) int {
	digits, _, _ := strings.Cut(strings.TrimSpace(version), ".")
	n, _ := strconv.Atoi(digits)
	return n
}
