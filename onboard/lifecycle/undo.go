package lifecycle

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/control"
)

// undone are the tenants that an earlier run changed.
func (o *Operator) undone(ctx context.Context, r MigrateRequest, t *todo) ([]*control.Record, error) {
	run, err := o.Operation(ctx, r.Run)
	if err != nil {
		return nil, err
	}
	var result MigrateResult
	if run.Kind != "migrate" || json.Unmarshal(run.Result, &result) != nil || len(result.Changes) == 0 {
		return nil, refuse(ErrInput, "run: %s has applied no migrations", r.Run)
	}
	t.down = map[registry.ID]int64{}
	ids := make([]registry.ID, 0, len(result.Changes))
	for text, version := range result.Changes {
		id, err := registry.ParseID(text)
		if err == nil && (len(r.Tenants) == 0 || slices.Contains(r.Tenants, id)) {
			t.down[id] = version
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		return nil, refuse(ErrInput, "tenants: %s has changed none of them", r.Run)
	}
	records, err := o.db.Records(ctx, control.Filter{IDs: ids, Limit: len(ids)})
	if err != nil {
		return nil, err
	}
	return o.stillThere(records, result.Reached, r.Run)
}

// stillThere leaves out who is not at the version that the run has reached:
// below it, the run is undone there. Above it, another run stands on it.
func (o *Operator) stillThere(records []*control.Record, reached map[string]int64, run string) ([]*control.Record, error) {
	var there []*control.Record
	for _, r := range records {
		switch at := reached[r.ID.String()]; {
		case r.Migrated > at:
			return nil, refuse(ErrState, "%s is at %d by now, and %s had brought it to %d; undo the later run first", r.ID, r.Migrated, run, at)
		case r.Migrated == at:
			there = append(there, r)
		}
	}
	return there, nil
}
