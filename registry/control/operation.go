package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/poolkeeper/poolkeeper/registry"
)

// The states of an operation.
const (
	Running     = "running"
	Done        = "done"
	Failed      = "failed"
	Interrupted = "interrupted" // its process is gone
)

// Operation is a piece of work that takes longer than a request.
type Operation struct {
	ID   string // sortable by age, else opaque
	Kind string // add, provision, rotate, clone, export, retire, delete, apply, migrate, reseal
	// Tenant is zero for work on the fleet.
	Tenant   registry.ID
	Actor    string
	State    string // Running, Done, Failed or Interrupted
	Step     string // what it is at
	Done     int
	Total    int
	Failures []Failure
	// More is how many failures there are besides Failures; 0 but in a list.
	More   int
	Result json.RawMessage // nil in a list
	Error  string
	Code   string // a stable code of the error, such as name_taken
	// Replica is the Options.Name of the process that works on it, or did.
	Replica string

	Started, Updated time.Time
	Ended            time.Time // zero while it runs
}

// Failure is a tenant that an operation failed for.
type Failure struct {
	Tenant registry.ID `json:"tenant"`
	Error  string      `json:"error"`
}

// selectOperation and selectListed have an operation as a whole, and what a list
// has of it: results and failures grow with the fleet.
const (
	selectOperation = selectOperations + "failures, 0, result FROM " + operations
	selectListed    = selectOperations + `pg_catalog.jsonb_path_query_array(failures, '$[0 to 2]'),
		greatest(0, pg_catalog.jsonb_array_length(failures) - 3), NULL::jsonb FROM ` + operations
	selectOperations = "SELECT id, kind, tenant, actor, state, step, done, total, error, code, instance, started, updated, ended, "
)

// operations derives what a process that died could not write: $1 is after how
// many milliseconds of silence it is taken to have died.
const operations = `(SELECT o.id, o.kind, o.tenant, o.actor, o.step, o.done, o.total, o.failures, o.result, o.error, o.code, o.instance,
		o.started, o.updated, o.ended,
		CASE WHEN o.state = 'running' AND NOT EXISTS (SELECT FROM poolkeeper.replicas r
			WHERE r.instance = o.instance AND r.seen_at > clock_timestamp() - $1 * interval '1 ms')
		THEN 'interrupted' ELSE o.state END AS state FROM poolkeeper.operations o) o`

// Begin stores a new running operation of this process and returns it with its
// ID.
func (d *Database) Begin(ctx context.Context, op Operation) (Operation, error) {
	op.State, op.Replica = Running, d.name
	failures, err := op.failures()
	if err != nil {
		return Operation{}, err
	}
	const insert = `INSERT INTO poolkeeper.operations (kind, tenant, actor, state, step, done, total, failures, result, instance)
		VALUES ($1, $2, $3, 'running', $4, $5, $6, $7, $8, $9) RETURNING id, started, updated`
	err = d.pool.QueryRow(ctx, insert, op.Kind, op.Tenant.String(), op.Actor, op.Step, op.Done, op.Total, failures, op.Result, d.instance).
		Scan(&op.ID, &op.Started, &op.Updated)
	if err != nil {
		return Operation{}, fmt.Errorf("control: beginning operation %s: %w", op.Kind, err)
	}
	return op, nil
}

// failures are never null.
func (op *Operation) failures() (json.RawMessage, error) {
	if len(op.Failures) == 0 {
		return json.RawMessage("[]"), nil
	}
	return json.Marshal(op.Failures)
}

// Note stores the operation's progress or end; the result stays as it is stored
// where op has none. Errors: [ErrNoSuch].
func (d *Database) Note(ctx context.Context, op Operation) error {
	failures, err := op.failures()
	if err != nil {
		return err
	}
	const update = `UPDATE poolkeeper.operations SET state = $2, step = $3, done = $4, total = $5, failures = $6, result = coalesce($7, result),
		error = $8, code = $9, updated = clock_timestamp(),
		ended = CASE WHEN $2 = 'running' THEN NULL ELSE coalesce($10, clock_timestamp()) END WHERE id = $1`
	var ended *time.Time
	if !op.Ended.IsZero() {
		ended = &op.Ended
	}
	tag, err := d.pool.Exec(ctx, update, op.ID, op.State, op.Step, op.Done, op.Total, failures, op.Result, op.Error, op.Code, ended)
	switch {
	case err != nil:
		return fmt.Errorf("control: noting operation %s: %w", op.ID, err)
	case tag.RowsAffected() == 0:
		return fmt.Errorf("%w: %q", ErrNoSuch, op.ID)
	default:
		return nil
	}
}

// Operation returns an operation of any process. Errors: [ErrNoSuch].
func (d *Database) Operation(ctx context.Context, id string) (Operation, error) {
	row := d.pool.QueryRow(ctx, selectOperation+" WHERE id = $2", d.cfg.LockTTL.Milliseconds(), id)
	op, err := scanOperation(row)
	if errors.Is(err, pgx.ErrNoRows) {
		return op, fmt.Errorf("%w: %q", ErrNoSuch, id)
	}
	return op, err
}

// Operations lists operations, the newest first, without their results and with
// a few of their failures. Zero values do not filter; before is an ID to page
// on. A limit of 0 means 100.
func (d *Database) Operations(ctx context.Context, tenant registry.ID, state, before string, limit int) ([]Operation, error) {
	c := conditions{args: []any{d.cfg.LockTTL.Milliseconds()}}
	if !tenant.IsZero() {
		c.add("tenant = ?", tenant.String())
	}
	if state != "" {
		c.add("state = ?", state)
	}
	if before != "" {
		c.add("id < ?", before)
	}
	if limit <= 0 {
		limit = defaultLimit
	}
	c.args = append(c.args, limit)
	rows, err := d.pool.Query(ctx, selectListed+c.where()+" ORDER BY id DESC LIMIT $"+strconv.Itoa(len(c.args)), c.args...)
	if err != nil {
		return nil, fmt.Errorf("control: listing operations: %w", err)
	}
	ops, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (Operation, error) { return scanOperation(row) })
	if err != nil {
		return nil, fmt.Errorf("control: listing operations: %w", err)
	}
	return ops, nil
}

func scanOperation(row pgx.Row) (op Operation, err error) {
	var ended *time.Time
	var instance string
	err = row.Scan(&op.ID, &op.Kind, &optionalID{&op.Tenant}, &op.Actor, &op.State, &op.Step, &op.Done, &op.Total, &op.Error, &op.Code,
		&instance, &op.Started, &op.Updated, &ended, &op.Failures, &op.More, &op.Result)
	op.Replica = nameIn(instance)
	if len(op.Failures) == 0 {
		op.Failures = nil
	}
	if ended != nil {
		op.Ended = *ended
	}
	return op, err
}

// nameIn is the name of the process in its instance, which goes on after the
// last slash with what makes it unique.
func nameIn(instance string) string {
	if end := strings.LastIndexByte(instance, '/'); end >= 0 {
		return instance[:end]
	}
	return instance
}
