package adminapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/poolkeeper/poolkeeper/server/adminwire"
)

// States of an operation.
const (
	StateRunning     = "running"
	StateDone        = "done"
	StateFailed      = "failed"
	StateInterrupted = "interrupted" // its process is gone
)

// How Follow goes on after a stream has broken.
const (
	pauseFirst = 100 * time.Millisecond
	pauseMost  = 3 * time.Second
	// quietMost is how long a stream may say nothing before it is taken for
	// dead: a network that forgets connections tells nobody.
	quietMost = 45 * time.Second
)

// Operation asks for an operation. Errors are those of Do.
func (c *Client) Operation(ctx context.Context, id string) (adminwire.Operation, error) {
	var op adminwire.Operation
	answer, err := c.Do(ctx, Call{Method: http.MethodGet, Path: []string{"operations", id}})
	if err == nil {
		err = answer.Into(&op)
	}
	return op, err
}

// Follow tells every change of an operation until it has ended, and returns
// its end. A stream that breaks is opened anew, and what it missed is asked
// for; when nothing but errors comes for as long as Config.Patience, the last
// one is returned. The operation does not depend on anybody following it.
// Errors are those of Do; an operation that failed is none.
func (c *Client) Follow(ctx context.Context, id string, told func(adminwire.Operation)) (adminwire.Operation, error) {
	f := &following{client: c, id: id, told: told, pause: pauseFirst, heard: time.Now()}
	for {
		err := f.listen(ctx)
		if err == nil && !f.ended() {
			err = f.look(ctx)
		}
		switch {
		case f.ended():
			return f.last, nil
		case ctx.Err() != nil:
			return f.last, ctx.Err()
		case err != nil && (isFinal(err) || time.Since(f.heard) > c.patience):
			return f.last, err
		}
		if !f.wait(ctx) {
			return f.last, ctx.Err()
		}
	}
}

// isFinal reports whether asking again would bring the same.
func isFinal(err error) bool {
	problem := (*ProblemError)(nil)
	return errors.As(err, &problem) && problem.Status < http.StatusInternalServerError && problem.Status != http.StatusTooManyRequests
}

// following is one call of Follow.
type following struct {
	client *Client
	id     string
	told   func(adminwire.Operation)
	last   adminwire.Operation
	pause  time.Duration
	heard  time.Time // when the server last said something of the operation
}

func (f *following) ended() bool { return f.last.State != "" && f.last.State != StateRunning }

// take notes what the server says. A stream begins with what is known already.
func (f *following) take(op adminwire.Operation) {
	f.heard, f.pause = time.Now(), pauseFirst
	same := op.Updated.Equal(f.last.Updated) && op.State == f.last.State && op.Step == f.last.Step &&
		op.Done == f.last.Done && op.Total == f.last.Total
	f.last = op
	if !same && f.told != nil {
		f.told(op)
	}
}

// look asks for the operation as it is.
func (f *following) look(ctx context.Context) error {
	op, err := f.client.Operation(ctx, f.id)
	if err == nil {
		f.take(op)
	}
	return err
}

// listen reads the stream until it ends. One that breaks is no error here: the
// operation is asked for next, which tells more.
func (f *following) listen(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	resp, err := f.client.Open(ctx, Call{Method: http.MethodGet, Path: []string{"operations", f.id, "events"}})
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }() // it has ended, or nobody wants the rest
	quiet := time.AfterFunc(quietMost, cancel)
	defer quiet.Stop()
	for e, err := range events(reader(func(p []byte) (int, error) {
		n, err := resp.Body.Read(p)
		quiet.Reset(quietMost)
		return n, err
	})) {
		if err != nil {
			return nil
		}
		if e.name != "operation" {
			continue
		}
		var op adminwire.Operation
		if err := json.Unmarshal([]byte(e.data), &op); err != nil {
			return fmt.Errorf("%w: %w", ErrForeign, err)
		}
		if f.take(op); f.ended() {
			return nil
		}
	}
	return nil
}

// wait pauses, longer every time nothing was heard; false when ctx ends first.
func (f *following) wait(ctx context.Context) bool {
	timer := time.NewTimer(f.pause)
	defer timer.Stop()
	f.pause = min(2*f.pause, pauseMost)
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// reader makes a function an io.Reader.
type reader func([]byte) (int, error)

func (r reader) Read(p []byte) (int, error) { return r(p) }

var _ io.Reader = reader(nil)
