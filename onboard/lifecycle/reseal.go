package lifecycle

import (
	"context"

	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/control"
)

// Reseal seals every secret anew with the newest key of the keyset, so that
// the older ones can be taken out.
func (o *Operator) Reseal(ctx context.Context, by Actor) (control.Operation, error) {
	return o.begin(ctx, control.Operation{Kind: "reseal", Actor: string(by)}, func(ctx context.Context, j *job) error {
		n, err := o.db.Reseal(ctx)
		j.result(map[string]int{"resealed": n})
		o.audit(ctx, by, "keys.reseal", registry.ID{}, map[string]int{"resealed": n}, err)
		return err
	})
}
