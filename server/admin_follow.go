package server

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/poolkeeper/poolkeeper/registry/control"
)

// heartbeat is how often a stream of events says that it is alive, so that
// proxies do not take it for dead.
const heartbeat = 15 * time.Second

// followOperation answers GET /v1/operations/{id}/events with server-sent
// events: the operation as it is, and again whenever it has changed, until it
// has ended. A client that reads slowly misses states in between, never the
// last.
func (a *admin) followOperation(c *gin.Context) {
	id, ok := a.operation(c)
	if !ok {
		return
	}
	ctx, cancel := context.WithCancel(c.Request.Context())
	defer cancel()
	defer a.untilStop(cancel)()
	changes, ended := make(chan control.Operation), make(chan error, 1)
	go func() {
		ended <- a.operator.Follow(ctx, id, func(op control.Operation) error {
			select {
			case changes <- op:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
		close(changes)
	}()
	w := &eventStream{c: c}
	w.copy(changes, cancel)
	if err := <-ended; err != nil && !c.Writer.Written() {
		a.fail(c, err)
	}
}

// eventStream writes server-sent events.
type eventStream struct {
	c *gin.Context
	n int // of the last event
}

// copy writes until changes is closed. When the client is gone it stops what
// brings them. After an event it rests the longer the larger that was: an
// operation over a fleet changes with every tenant, and lists all that failed.
func (w *eventStream) copy(changes <-chan control.Operation, stop func()) {
	ticker := time.NewTicker(heartbeat)
	defer ticker.Stop()
	var rest <-chan time.Time
	var held *control.Operation // what came meanwhile
	tell := func(op control.Operation) error {
		n, err := w.event(op)
		rest, held = time.After(time.Duration(n)*time.Microsecond), nil
		return err
	}
	for {
		var err error
		select {
		case op, more := <-changes:
			switch {
			case !more:
				return
			case rest != nil && op.State == control.Running:
				held = &op
				continue
			}
			err = tell(op)
		case <-rest:
			rest = nil
			if held != nil {
				err = tell(*held)
			}
		case <-ticker.C:
			err = w.write(": still here\n\n")
		}
		if err != nil {
			stop()
			for range changes { // until the one who sends has noticed
			}
			return
		}
	}
}

// event writes one and returns how long it is, in bytes.
func (w *eventStream) event(op control.Operation) (int, error) {
	text, err := json.Marshal(operationOf(op)) // on one line
	if err != nil {
		return 0, err
	}
	w.n++
	return len(text), w.write(fmt.Sprintf("event: operation\nid: %d\ndata: %s\n\n", w.n, text))
}

func (w *eventStream) write(text string) error {
	if !w.c.Writer.Written() {
		h := w.c.Writer.Header()
		h.Set("Content-Type", "text/event-stream")
		h.Set("Cache-Control", "no-store")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Accel-Buffering", "no") // a proxy that collects answers would undo the stream
	}
	if _, err := w.c.Writer.WriteString(text); err != nil {
		return err
	}
	w.c.Writer.Flush()
	return nil
}
