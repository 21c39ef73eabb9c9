package onboard

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path"
	"slices"
	"testing/fstest"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/database"

	"github.com/poolkeeper/poolkeeper/registry"
)

// versionTable is goose's own name for it; it lies in the schema that it
// speaks of.
const versionTable = goose.DefaultTablename

// migrations is one set of .sql files. They are read once: what was checked is
// what every tenant gets, whatever happens to the folder meanwhile.
type migrations struct {
	files fs.FS
	all   []*goose.Source // by version
}

// loadMigrations reads a folder and checks every file in it. what is the
// setting's path.
func loadMigrations(what, folder string) (*migrations, error) {
	if folder == "" {
		return nil, nil
	}
	if info, err := os.Stat(folder); err != nil || !info.IsDir() {
		return nil, refuse(ErrMigrations, "%s: there is no folder %s", what, folder)
	}
	m := &migrations{}
	err := m.read(os.DirFS(folder))
	if err == nil {
		err = m.check()
	}
	if err != nil {
		return nil, refuse(ErrMigrations, "%s: %s: %w", what, folder, err)
	}
	return m, nil
}

// read copies the folder's files, and refuses those that goose would pass
// over.
func (m *migrations) read(folder fs.FS) error {
	entries, err := fs.ReadDir(folder, ".")
	if err != nil {
		return err
	}
	files := fstest.MapFS{}
	for _, entry := range entries {
		ext := path.Ext(entry.Name())
		if ext == ".go" {
			return fmt.Errorf("%s: migrations are .sql files", entry.Name())
		}
		if ext != ".sql" {
			continue
		}
		if _, err := goose.NumericComponent(entry.Name()); err != nil {
			return fmt.Errorf("%s: a migration's name begins with its number and an underscore, as in 00001_tables.sql", entry.Name())
		}
		text, err := fs.ReadFile(folder, entry.Name())
		if err != nil {
			return err
		}
		files[entry.Name()] = &fstest.MapFile{Data: text}
	}
	m.files = files
	return nil
}

// check has goose read every file.
func (m *migrations) check() error {
	db := sql.OpenDB(dryRun{})
	store, err := database.NewStore(database.DialectPostgres, versionTable)
	if err != nil {
		return errors.Join(err, db.Close())
	}
	provider, err := m.provider(db, store, goose.WithDisableVersioning(true))
	if err != nil {
		return errors.Join(err, db.Close())
	}
	m.all = provider.ListSources() // goose has them by name
	slices.SortFunc(m.all, func(a, b *goose.Source) int { return cmp.Compare(a.Version, b.Version) })
	// goose parses all files before it runs the first statement, which the
	// dry run refuses.
	_, err = provider.Up(context.Background()) // does no I/O
	if errors.Is(err, errDryRun) {
		err = nil
	}
	return errors.Join(err, db.Close())
}

func (m *migrations) provider(db *sql.DB, store database.Store, options ...goose.ProviderOption) (*goose.Provider, error) {
	options = append(options, goose.WithStore(store), goose.WithDisableGlobalRegistry(true), goose.WithSlog(slog.New(slog.DiscardHandler)))
	return goose.NewProvider(goose.DialectCustom, db, m.files, options...)
}

// latest is the newest version.
func (m *migrations) latest() int64 { return m.all[len(m.all)-1].Version }

// file is the name of a version's file; "" when the set has none.
func (m *migrations) file(version int64) string {
	for _, source := range m.all {
		if source.Version == version {
			return source.Path
		}
	}
	return ""
}

// set is the one that is the tenant's: the shared one for row isolation. nil
// when there is none, or when the tenant's database is run by somebody else.
func (p *Provisioner) set(t *registry.Tenant) *migrations {
	switch {
	case !t.DSN.IsZero():
		return nil
	case t.Isolation == registry.IsolationRow:
		return p.shared
	}
	return p.tenants
}

// Latest is the newest version of the migrations that the tenant gets; 0 when
// it gets none, as does one with a connection string of its own. The folders
// are read by New: files that come later count after a restart.
func (p *Provisioner) Latest(t *registry.Tenant) int64 {
	if set := p.set(t); set != nil {
		return set.latest()
	}
	return 0
}

// Pending lists the files that bring the tenant from a version to the newest,
// in the order in which they are applied.
func (p *Provisioner) Pending(t *registry.Tenant, from int64) []string {
	set := p.set(t)
	if set == nil {
		return nil
	}
	var names []string
	for _, source := range set.all {
		if source.Version > from {
			names = append(names, source.Path)
		}
	}
	return names
}
