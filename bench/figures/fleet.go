package figures

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/poolkeeper/poolkeeper/bench/report"
	"github.com/poolkeeper/poolkeeper/bench/world"
	"github.com/poolkeeper/poolkeeper/onboard"
	"github.com/poolkeeper/poolkeeper/onboard/lifecycle"
	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/control"
)

// fleetWorkers is how many tenants are migrated side by side; it is what a
// program gets that says nothing.
const fleetWorkers = 8

// release is what an application brings: five files, and later a sixth.
func release() map[string]string {
	return map[string]string{
		"00001_people.sql": "-- +goose Up\nCREATE TABLE people (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, mail text NOT NULL UNIQUE, at timestamptz NOT NULL DEFAULT now());\n",
		"00002_items.sql":  "-- +goose Up\nCREATE TABLE items (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, owner bigint NOT NULL REFERENCES people, name text NOT NULL);\nCREATE INDEX items_owner ON items (owner);\n",
		"00003_notes.sql":  "-- +goose Up\nALTER TABLE items ADD notes text NOT NULL DEFAULT '';\n",
		"00004_names.sql":  "-- +goose Up\nCREATE VIEW names AS SELECT i.name, p.mail FROM items i JOIN people p ON p.id = i.owner;\n",
		"00005_first.sql":  "-- +goose Up\nINSERT INTO people (mail) VALUES ('first@example.com');\n",
	}
}

const sixth = "-- +goose Up\nCREATE TABLE sixth (id bigint PRIMARY KEY);\n"

// chapter is one run over the fleet.
type chapter struct {
	name, short string
	failures    int
	aim         *report.Aim
	prepare     func(f *fleet, ctx context.Context) error
}

func (b *Bench) chapters() []chapter {
	failing := min(10, b.Scale.Fleet/2)
	return []chapter{
		{name: "first migration, five files", short: "first", prepare: (*fleet).release},
		{name: "nothing to do", short: "no-op", aim: report.AtMost(1), prepare: func(*fleet, context.Context) error { return nil }},
		{
			name: fmt.Sprintf("a sixth file, %d tenants fail", failing), short: fmt.Sprintf("%d failing", failing), failures: failing,
			prepare: func(f *fleet, ctx context.Context) error {
				return errors.Join(f.migration("00006_sixth.sql", sixth), f.each(ctx, failing, "CREATE TABLE %s.sixth ()"))
			},
		},
		{name: "resume after the mending", short: "resume", prepare: func(f *fleet, ctx context.Context) error {
			return f.each(ctx, failing, "DROP TABLE %s.sixth")
		}},
	}
}

func (b *Bench) fleet(ctx context.Context) (_ *report.Figure, err error) {
	f := &report.Figure{
		Number: 9, Title: "Migrations of a fleet",
		Workload: fmt.Sprintf("%d tenants with a schema each get an application's migrations, by one operation of the lifecycle operator, %d side by side; lock, journal, "+
			"audit trail and the note of each tenant's version in the control database are in the time. The baseline runs goose tenant by tenant: a connection, "+
			"and all that is pending, on as many schemas in a database of their own. The two take turns at each chapter of the story.", b.Scale.Fleet, fleetWorkers),
	}
	ours, took, err := b.ownFleet(ctx)
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, ours.close(ctx)) }()
	f.Add(&report.Row{
		Name: "new tenants from a file, without migrations yet", Unit: "s", Value: took.Seconds(),
		More: map[string]float64{"tenants per second": float64(b.Scale.Fleet) / took.Seconds()},
	})
	naive, err := b.gooseFleet(ctx)
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, naive.close(ctx)) }()
	for _, c := range b.chapters() {
		if err := b.chapter(ctx, f, c, naive, ours); err != nil {
			return f, fmt.Errorf("%s: %w", c.name, err)
		}
	}
	return f, ours.verify(ctx)
}

func (b *Bench) chapter(ctx context.Context, f *report.Figure, c chapter, naive, ours *fleet) error {
	var r rounds
	took := map[*fleet]float64{}
	for _, way := range []*fleet{naive, ours} {
		b.logf("figure 9: %s, %s", c.name, way.title)
		if err := c.prepare(way, ctx); err != nil {
			return err
		}
		d, failures, err := way.run(ctx, way)
		if err != nil {
			return err
		}
		if failures != c.failures {
			return fmt.Errorf("%s: %d tenants failed, not %d", way.title, failures, c.failures)
		}
		took[way] = d.Seconds()
	}
	r.add(took[ours], took[naive])
	row := r.row(c.name, "s", naive.title)
	row.Short, row.Aim = c.short, c.aim
	row.More = map[string]float64{"workers": fleetWorkers, "times as fast": took[naive] / took[ours]}
	f.Add(row)
	return nil
}

// fleet is tenants, and a way to migrate them.
type fleet struct {
	*plane
	title   string
	schemas []string
	run     func(ctx context.Context, f *fleet) (took time.Duration, failures int, err error)
}

// release writes the first five files.
func (f *fleet) release(context.Context) error {
	for name, text := range release() {
		if err := f.migration(name, text); err != nil {
			return err
		}
	}
	return nil
}

// each runs a statement in the schemas of the first n tenants.
func (f *fleet) each(ctx context.Context, n int, format string) error {
	statements := make([]string, n)
	for i, schema := range f.schemas[:n] {
		statements[i] = fmt.Sprintf(format, pgx.Identifier{schema}.Sanitize())
	}
	return f.Exec(ctx, statements...)
}

// ownFleet has a file with all tenants applied.
func (b *Bench) ownFleet(ctx context.Context) (*fleet, time.Duration, error) {
	b.logf("figure 9: %d tenants from a file", b.Scale.Fleet)
	p, err := b.openPlane(ctx, "fleet", nil)
	if err != nil {
		return nil, 0, err
	}
	f := &fleet{plane: p, title: "Poolkeeper", run: migrateFleet}
	var text bytes.Buffer
	text.WriteString("tenants:\n")
	for i := range b.Scale.Fleet {
		id := registry.MustParseID(fmt.Sprintf("fleet-%04d", i))
		f.schemas = append(f.schemas, registry.DerivedName(id, ""))
		fmt.Fprintf(&text, "  %s: {status: active, cluster: %s, isolation: schema}\n", id, world.Cluster)
	}
	o, err := f.operator(func(c *onboard.Config) { c.Migrations = "" })
	var took time.Duration
	if err == nil {
		took, err = finished(ctx, o, func() (control.Operation, error) {
			return o.Apply(ctx, actor, []registry.Document{{Path: "tenants.yaml", Data: text.Bytes()}})
		})
	}
	if err != nil {
		return nil, 0, errors.Join(err, f.close(ctx))
	}
	return f, took, nil
}

// migrateFleet is one run of ours. The operator is a new one, because a
// release is a new process; its start is not in the time.
func migrateFleet(ctx context.Context, f *fleet) (time.Duration, int, error) {
	o, err := f.operator(nil)
	if err != nil {
		return 0, 0, err
	}
	op, took, err := timed(ctx, o, func() (control.Operation, error) {
		return o.Migrate(ctx, actor, lifecycle.MigrateRequest{Workers: fleetWorkers})
	})
	var result lifecycle.MigrateResult
	if err == nil {
		err = json.Unmarshal(op.Result, &result)
	}
	return took, result.Failed, err
}

// verify reads the version of every tenant from its own table.
func (f *fleet) verify(ctx context.Context) error {
	status, err := f.operators[len(f.operators)-1].MigrationStatus(ctx, true)
	if err == nil && status.Behind+status.Failed+len(status.Drift) > 0 {
		err = fmt.Errorf("in the end %d tenants are behind, %d failed, and %d are elsewhere than noted", status.Behind, status.Failed, len(status.Drift))
	}
	return err
}
