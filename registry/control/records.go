package control

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/poolkeeper/poolkeeper/registry"
)

// Filter says which records are wanted. Zero fields do not filter.
type Filter struct {
	// Status is the effective one.
	Status  registry.Status
	Plan    string
	Cluster string
	// Labels must all be there.
	Labels map[string]string
	// Prefix is of the id or, case folded, of the name.
	Prefix string
	// Behind keeps those whose Migrated is less, unless they are retired or
	// pending.
	Behind int64
	// OrFailed has Behind keep those with a MigrationError, too.
	OrFailed bool
	// Failed keeps those with a MigrationError.
	Failed bool
	// IDs keeps only these. Empty but not nil keeps nobody.
	IDs []registry.ID
	// After is the last id of the page before.
	After registry.ID
	// Limit is how many are returned at most. Default 100.
	Limit int
}

// defaultLimit is the length of a page that asks for none.
const defaultLimit = 100

// Records returns the records that the filter keeps, in the order of their
// ids. A secret that cannot be opened is empty, and logged.
func (d *Database) Records(ctx context.Context, f Filter) ([]*Record, error) {
	sql, args := f.query()
	rows, err := d.pool.Query(ctx, sql, args...)
	if err != nil {
		return nil, fmt.Errorf("control: listing tenants: %w", err)
	}
	defer rows.Close()
	var records []*Record
	for rows.Next() {
		w := &row{}
		if err := rows.Scan(w.all()...); err != nil {
			return nil, fmt.Errorf("control: listing tenants: %w", err)
		}
		r := d.record(w)
		d.openWhatOpens(ctx, w, &r.Tenant)
		records = append(records, r)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("control: listing tenants: %w", err)
	}
	return records, nil
}

// conditions are joined by AND; their arguments are numbered.
type conditions struct {
	texts []string
	args  []any
}

// add takes a condition in which every ? is the next of args.
func (c *conditions) add(text string, args ...any) {
	for _, arg := range args {
		c.args = append(c.args, arg)
		text = strings.Replace(text, "?", "$"+strconv.Itoa(len(c.args)), 1)
	}
	c.texts = append(c.texts, text)
}

func (c *conditions) where() string {
	if len(c.texts) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(c.texts, " AND ")
}

func (f Filter) query() (sql string, args []any) {
	var c conditions
	equal := func(column, value string) {
		if value != "" {
			c.add(column+" = ?", value)
		}
	}
	equal("t.status", string(f.Status))
	equal("t.plan", f.Plan)
	equal("t.cluster", f.Cluster)
	if len(f.Labels) > 0 {
		c.add("t.labels @> ?", f.Labels)
	}
	if f.Prefix != "" {
		// Ranges, because an index can serve them; "~" comes after whatever an
		// id is made of, and the other after all characters.
		c.add(`(t.id >= ? AND t.id < ? OR lower(t.name) COLLATE "C" >= lower(?) AND lower(t.name) COLLATE "C" < lower(?) || ?)`,
			f.Prefix, f.Prefix+"~", f.Prefix, f.Prefix, "\U0010FFFF")
	}
	if f.Behind != 0 {
		c.add("(coalesce(m.version, -1) < ? OR ? AND m.error <> '') AND t.status NOT IN ('retired', 'pending')", f.Behind, f.OrFailed)
	}
	if f.Failed {
		c.add("m.error <> ''")
	}
	if f.IDs != nil {
		c.add("t.id = ANY(?)", texts(f.IDs))
	}
	if !f.After.IsZero() {
		c.add("t.id > ?", f.After.String())
	}
	limit := f.Limit
	if limit <= 0 {
		limit = defaultLimit
	}
	c.args = append(c.args, limit)
	return selectRecords + c.where() + " ORDER BY t.id LIMIT $" + strconv.Itoa(len(c.args)), c.args
}

func texts(ids []registry.ID) []string {
	all := make([]string, len(ids))
	for i, id := range ids {
		all[i] = id.String()
	}
	return all
}

// CountByCluster returns the number of tenants, but for retired ones, by
// cluster.
func (d *Database) CountByCluster(ctx context.Context) (map[string]int, error) {
	rows, err := d.pool.Query(ctx, "SELECT cluster, count(*) FROM poolkeeper.tenants WHERE status <> 'retired' GROUP BY cluster")
	if err != nil {
		return nil, fmt.Errorf("control: counting tenants: %w", err)
	}
	defer rows.Close()
	counts := map[string]int{}
	for rows.Next() {
		var cluster string
		var n int
		if err := rows.Scan(&cluster, &n); err != nil {
			return nil, fmt.Errorf("control: counting tenants: %w", err)
		}
		counts[cluster] = n
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("control: counting tenants: %w", err)
	}
	return counts, nil
}
