package onboard

import (
	"context"
	"fmt"
)

// Slots returns how many connections the cluster's server takes, less those
// that it reserves: the room that placement compares. It asks the server.
// ErrCluster: the cluster is not configured or has no administrator.
func (p *Provisioner) Slots(ctx context.Context, cluster string) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, p.cfg.Timeout)
	defer cancel()
	slots, err := p.slots(ctx, cluster)
	if err != nil {
		return 0, fmt.Errorf("onboard: cluster %s: %w", cluster, err)
	}
	return slots, nil
}

func (p *Provisioner) slots(ctx context.Context, cluster string) (slots int, err error) {
	done, err := p.way.turn(ctx, cluster)
	if err != nil {
		return 0, err
	}
	defer done()
	pl := &plan{}
	if pl.admin, err = p.administrator(cluster); err != nil {
		return 0, err
	}
	a, err := openAdmin(ctx, pl, pl.admin.Database)
	if err != nil {
		return 0, err
	}
	defer a.close(ctx)
	const query = `select current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
		- coalesce(current_setting('reserved_connections', true), '0')::int`
	return slots, a.QueryRow(ctx, query).Scan(&slots)
}
