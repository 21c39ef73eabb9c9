package control

import (
	"context"
	"errors"
	"fmt"
	"time"
	"unique"

	"github.com/jackc/pgx/v5"

	"github.com/poolkeeper/poolkeeper/registry"
)

// ask returns which history the database's numbers belong to, and the last of
// them. The history is another after a restore or a fail-over: what was seen
// of the old one may be gone, and its numbers given again. So it may be after
// a crash, where commits do not wait for the disk.
const ask = `SELECT concat_ws('/', (SELECT system_identifier FROM pg_catalog.pg_control_system()),
		extract(epoch FROM pg_catalog.pg_postmaster_start_time()),
		left(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_insert_lsn()), 8),
		(SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database()), 'poolkeeper.tenants'::regclass::oid),
	` + lastNumber

// lastNumber is of the last change that there is.
const lastNumber = `greatest((SELECT coalesce(max(version), 0) FROM poolkeeper.tenants), (SELECT coalesce(max(version), 0) FROM poolkeeper.tombstones),
		(SELECT coalesce(max(version), 0) FROM poolkeeper.keys), (SELECT coalesce(max(version), 0) FROM poolkeeper.key_tombstones))`

// Load reads all records and keys into memory; Tenant, List, Count, Watch and
// Key answer from it. From then on changes are followed until Close, in the background.
// Records that cannot be served are left out and logged.
func (d *Database) Load(ctx context.Context) error {
	d.seen.mu.Lock()
	defer d.seen.mu.Unlock()
	bounded, cancel := context.WithTimeout(ctx, d.patience())
	defer cancel()
	if err := d.loadLocked(bounded, d.pool); err != nil {
		return fmt.Errorf("control: loading the tenants: %w", err)
	}
	if !d.seen.follows {
		d.seen.follows = true
		d.background(ctx, d.follow)
		d.background(ctx, d.keepNoting)
		d.background(ctx, d.keepPruning)
	}
	return nil
}

// beginner is a pool or a connection.
type beginner interface {
	querier
	BeginTx(ctx context.Context, o pgx.TxOptions) (pgx.Tx, error)
}

// snapshot runs read in a transaction that sees one state of the database.
func snapshot(ctx context.Context, q beginner, read func(pgx.Tx) error) error {
	return pgx.BeginTxFunc(ctx, q, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, read)
}

// loadLocked makes what the database has the only records.
func (d *Database) loadLocked(ctx context.Context, q beginner) error {
	var identity string
	var last int64
	l := d.loading()
	asked := time.Now()
	err := snapshot(ctx, q, func(tx pgx.Tx) error {
		if err := tx.QueryRow(ctx, ask).Scan(&identity, &last); err != nil {
			return err
		}
		if err := l.keys.readAll(ctx, tx); err != nil {
			return err
		}
		return l.read(ctx, tx, selectServed+" ORDER BY t.id")
	})
	if err != nil {
		return err
	}
	d.seen.identity, d.seen.own, d.seen.again = identity, l.own, false
	clear(d.seen.refused)
	d.serveKeys(&l.keys, true)
	d.tellUnread(l)
	d.tellRefused(d.live.Load(l.tenants), l.tenants)
	d.seen.confirm(asked, last)
	return d.noteApplied(ctx, q, last)
}

// A loading reads many rows.
type loading struct {
	*Database
	tenants []*registry.Tenant
	own     owned
	unread  []unread
	keys    keyring
	// texts has one copy of each text that many records have.
	texts map[string]string
}

// unread is a record that has a secret which cannot be opened.
type unread struct {
	id      registry.ID
	version uint64
	err     error
}

func (d *Database) loading() *loading {
	return &loading{Database: d, own: owned{}, texts: map[string]string{}}
}

// read adds the rows of a query for servedColumns.
func (l *loading) read(ctx context.Context, q querier, sql string, args ...any) error {
	rows, err := q.Query(ctx, sql, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	w := &row{}
	into := w.served()
	into[len(into)-1] = &sharedLabels{to: &w.labels, known: map[string]map[string]string{}}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return err
		}
		l.add(w)
	}
	return rows.Err()
}

// add makes a tenant of the row, which is used again for the next.
func (l *loading) add(w *row) {
	t := w.tenant()
	t.Status = registry.Status(l.one(w.status))
	t.Isolation = registry.Isolation(l.one(w.isolation))
	t.Plan, t.Cluster, t.Database = l.one(t.Plan), l.one(t.Cluster), l.one(t.Database)
	if t.Isolation == registry.IsolationRow {
		t.Schema = l.one(t.Schema)
	}
	// The id's text does for what is the same.
	for _, text := range []*string{&t.Name, &t.Schema, &t.Login} {
		if *text == t.ID.String() {
			*text = t.ID.String()
		}
	}
	if err := l.open(w, &t); err != nil {
		l.unread = append(l.unread, unread{t.ID, t.Version, err})
		return
	}
	if t.Plan != "" {
		l.own[t.ID] = unique.Make(t.Limits)
		t.Limits = l.effective(t.Limits, t.Plan)
	}
	l.tenants = append(l.tenants, &t)
}

func (l *loading) one(text string) string {
	if kept, ok := l.texts[text]; ok {
		return kept
	}
	l.texts[text] = text
	return text
}

// tellUnread logs records that could not be opened.
func (d *Database) tellUnread(l *loading) {
	for _, u := range l.unread {
		d.tellOnce(u.id, u.version, u.err)
	}
}

// tellRefused logs records that cannot be served.
func (d *Database) tellRefused(refused []registry.Refused, of []*registry.Tenant) {
	if len(refused) == 0 {
		return
	}
	versions := make(map[registry.ID]uint64, len(of))
	for _, t := range of {
		versions[t.ID] = t.Version
	}
	for _, r := range refused {
		d.tellOnce(r.ID, versions[r.ID], r.Err)
	}
}

// tellOnce logs a refused record, once for each of its versions.
func (d *Database) tellOnce(id registry.ID, version uint64, err error) {
	if seen, ok := d.seen.refused[id]; ok && seen == version {
		return
	}
	d.seen.refused[id] = version
	d.log.Error("a tenant's record cannot be served", "tenant", id.String(), "version", version, "error", err)
}

// catchUp applies what came after the last change that was seen, or everything
// when the history is another. One question is enough when there is nothing.
func (d *Database) catchUp(ctx context.Context, q beginner) error {
	d.seen.mu.Lock()
	defer d.seen.mu.Unlock()
	var identity string
	var head int64
	asked := time.Now()
	answered, cancel := context.WithTimeout(ctx, d.answering())
	err := q.QueryRow(answered, ask).Scan(&identity, &head)
	cancel()
	if err != nil {
		return err
	}
	switch last := d.seen.last.Load(); {
	case identity != d.seen.identity || head < last:
		d.log.WarnContext(ctx, "the control database was started again, restored or has failed over; all tenants are read again")
		return d.loadLocked(ctx, q)
	case d.seen.again:
		return d.loadLocked(ctx, q)
	case head == last:
		d.seen.confirm(asked, last)
		return nil
	default:
		err := d.applyLocked(ctx, q, asked, last)
		if errors.Is(err, errForgotten) { // it was out of reach for very long
			return d.loadLocked(ctx, q)
		}
		return err
	}
}

// errMoved ends a snapshot of another history than the one that was asked for.
var errMoved = errors.New("the control database was replaced meanwhile")

// applyLocked reads and applies everything after last.
func (d *Database) applyLocked(ctx context.Context, q beginner, asked time.Time, last int64) error {
	l := d.loading()
	var removed []registry.ID
	err := snapshot(ctx, q, func(tx pgx.Tx) error {
		var identity string
		err := tx.QueryRow(ctx, ask).Scan(&identity, &last)
		if err == nil && identity != d.seen.identity {
			err = errMoved
		}
		if err != nil {
			return err
		}
		since := d.seen.last.Load()
		if err := remembers(ctx, tx, since); err != nil {
			return err
		}
		if err := l.read(ctx, tx, selectServed+" WHERE t.version > $1 ORDER BY t.id", since); err != nil {
			return err
		}
		if removed, err = tombstones(ctx, tx, since); err != nil {
			return err
		}
		return l.keys.readSince(ctx, tx, since)
	})
	if err != nil {
		return err
	}
	for _, u := range l.unread { // not to be served as it was: it may be suspended by now
		removed = append(removed, u.id)
	}
	for _, id := range removed {
		delete(d.seen.own, id)
		delete(d.seen.refused, id)
	}
	for _, t := range l.tenants {
		delete(d.seen.own, t.ID)
		if own, ok := l.own[t.ID]; ok {
			d.seen.own[t.ID] = own
		}
	}
	// Keys before tenants: those of one that is gone must not open another of
	// the same id.
	d.serveKeys(&l.keys, false)
	d.tellUnread(l)
	d.tellRefused(d.live.Apply(l.tenants, removed), l.tenants)
	d.seen.confirm(asked, last)
	return d.noteApplied(ctx, q, last)
}

func tombstones(ctx context.Context, q querier, since int64) ([]registry.ID, error) {
	rows, err := q.Query(ctx, "SELECT id FROM poolkeeper.tombstones WHERE version > $1", since)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (id registry.ID, err error) {
		err = row.Scan((*storedID)(&id))
		return id, err
	})
}
