package main

import (
	"context"
	"log/slog"
	"sync"

	"github.com/poolkeeper/poolkeeper/config"
	"github.com/poolkeeper/poolkeeper/metrics"
	"github.com/poolkeeper/poolkeeper/registry"
)

// declaring follows the file for a program whose tenants live in a control
// database: plans are taken over at once, and what the file declares of
// tenants is brought about one file after the other, the newest last.
type declaring struct {
	plane   *plane
	metrics *metrics.Metrics
	log     *slog.Logger
	apply   bool // onboard.at_start

	// mu guards next, the documents that wait to be applied; nil for none.
	mu   sync.Mutex
	next []registry.Document
	wake chan struct{}
}

func newDeclaring(p *plane, cfg *config.Config, m *metrics.Metrics, log *slog.Logger) *declaring {
	d := &declaring{plane: p, metrics: m, log: log, apply: cfg.Onboard.AtStart, wake: make(chan struct{}, 1)}
	if d.apply {
		d.offer(cfg.Documents)
	}
	return d
}

// changed is for a file that was found right.
func (d *declaring) changed(c config.Changes) {
	d.plane.operator.SetPlans(c.Plans)
	d.plane.db.SetPlans(c.Plans)
	if d.apply {
		d.offer(c.Documents)
	}
}

func (d *declaring) offer(docs []registry.Document) {
	d.mu.Lock()
	d.next = docs
	d.mu.Unlock()
	select {
	case d.wake <- struct{}{}:
	default: // it looks for the newest when it gets to it
	}
}

// run applies files until ctx ends. A file that could not be applied for
// reasons that pass, such as a server that is down, is applied again when it
// changes or the program starts.
func (d *declaring) run(ctx context.Context) {
	for {
		select {
		case <-d.wake:
		case <-ctx.Done():
			return
		}
		d.mu.Lock()
		docs := d.next
		d.mu.Unlock()
		if _, err := d.plane.declare(ctx, docs, d.metrics.Onboarded); err != nil && ctx.Err() == nil {
			d.log.ErrorContext(ctx, "the file could not be applied", "error", err)
		}
	}
}
