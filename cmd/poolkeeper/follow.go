package main

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/poolkeeper/poolkeeper/config"
	"github.com/poolkeeper/poolkeeper/registry"
)

// declaring follows the file for a program whose tenants live in a control
// database: plans are taken over at once, and what the file declares of
// tenants is brought about one file after the other, the newest last.
type declaring struct {
	plane *plane
	log   *slog.Logger
	apply bool // onboard.at_start

	// mu guards next, the documents that wait to be applied; nil for none.
	mu   sync.Mutex
	next []registry.Document
	wake chan struct{}
}

func newDeclaring(p *plane, cfg *config.Config, log *slog.Logger) *declaring {
	d := &declaring{plane: p, log: log, apply: cfg.Onboard.AtStart, wake: make(chan struct{}, 1)}
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

// How long to wait before a file is applied again that could not be applied at
// all; doubled with every failure.
const (
	firstTry = time.Second
	lastTry  = time.Minute
)

// run applies files until ctx ends. One that could not be applied at all,
// because the control database is out of reach, is applied again until it is or
// another follows: a suspension may stand in it. What failed for single tenants
// is done when the file changes or the program starts.
func (d *declaring) run(ctx context.Context) {
	retry, wait := time.NewTimer(0), firstTry
	retry.Stop()
	defer retry.Stop()
	for {
		select {
		case <-d.wake:
			wait = firstTry
		case <-retry.C:
		case <-ctx.Done():
			return
		}
		d.mu.Lock()
		docs := d.next
		d.mu.Unlock()
		_, err := d.plane.declare(ctx, docs)
		retry.Stop()
		if err == nil || ctx.Err() != nil {
			continue
		}
		d.log.ErrorContext(ctx, "the file could not be applied", "again_in", wait, "error", err)
		retry.Reset(wait)
		wait = min(2*wait, lastTry)
	}
}
