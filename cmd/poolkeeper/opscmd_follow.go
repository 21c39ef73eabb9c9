package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/poolkeeper/poolkeeper/cmd/poolkeeper/adminapi"
	"github.com/poolkeeper/poolkeeper/server/adminwire"
)

// firstWait is how long the server may answer at once; what takes longer is
// followed with its progress.
const firstWait = time.Second

// ended is how a call that may take long has ended.
type ended struct {
	// answer is what the server said at once. Its body is empty when the
	// operation was followed.
	answer adminapi.Answer
	// op is the operation as far as it is known; its ID is empty when the
	// server did not name one.
	op adminwire.Operation
	// running says that nobody waited for the end.
	running bool
}

// work does what a call asks for, and shows how it goes on. With noWait it
// returns when the operation has begun. The error is the operation's, too.
func (c *console) work(ctx context.Context, client *adminapi.Client, call adminapi.Call, noWait bool) (ended, error) {
	if noWait && c.direct {
		return ended{}, usageError{errors.New("--no-wait needs a running server: with --direct the work is done here")}
	}
	call.Wait = firstWait
	if noWait {
		call.Wait = -1
	}
	answer, err := client.Do(ctx, call)
	if err != nil {
		return ended{}, err
	}
	if answer.Status != http.StatusAccepted {
		return ended{answer: answer, op: adminwire.Operation{ID: answer.Header.Get("X-Operation-Id")}}, nil
	}
	var op adminwire.Operation
	if err := answer.Into(&op); err != nil {
		return ended{}, err
	}
	if noWait {
		return ended{answer: answer, op: op, running: true}, c.begun(answer, op)
	}
	op, err = c.follow(ctx, client, op.ID)
	return ended{op: op}, err
}

// begun says what goes on without anybody waiting for it.
func (c *console) begun(answer adminapi.Answer, op adminwire.Operation) error {
	if c.json {
		return c.printJSON(answer.Body)
	}
	c.say("%s has begun as operation %s", subject(op), op.ID)
	c.say("see how it goes on with: poolkeeper operations watch %s", op.ID)
	return nil
}

// follow shows the progress of an operation until it has ended. The error is
// the operation's, unless it went well for some of many tenants: who called
// prints those that failed.
func (c *console) follow(ctx context.Context, client *adminapi.Client, id string) (adminwire.Operation, error) {
	shown := c.progress()
	op, err := client.Follow(ctx, id, shown.told)
	shown.end()
	switch {
	case err != nil && ctx.Err() != nil && c.direct:
		return op, exitError{exitFailed, fmt.Errorf("stopped; the same command again finishes operation %s", id)}
	case err != nil && ctx.Err() != nil:
		return op, exitError{exitFailed, fmt.Errorf("stopped waiting; operation %s goes on: poolkeeper operations watch %s", id, id)}
	case errors.Is(err, adminapi.ErrUnreachable):
		return op, exitError{exitFailed, fmt.Errorf("the server was lost: %s; operation %s may go on: poolkeeper operations watch %s", sentence(err), id, id)}
	case err != nil:
		return op, err
	case isPartly(op):
		return op, nil
	}
	return op, adminapi.Failure(op)
}

// isPartly reports whether an operation over many tenants did what it could.
func isPartly(op adminwire.Operation) bool {
	return op.Code == "partly_failed" || op.Code == "migrations_failed"
}

// printFailures lists the tenants that failed, and returns the error for that.
func (c *console) printFailures(op adminwire.Operation) error {
	if !c.json {
		t := newTable(c.app.Stderr)
		for _, f := range op.Failures {
			t.row("failed", f.Tenant, plain(f.Error, f.Tenant))
		}
		if err := t.end(); err != nil {
			return err
		}
	}
	return failed(op)
}

// failed is the error of an operation over many tenants.
func failed(op adminwire.Operation) error {
	if len(op.Failures) == 0 {
		return adminapi.Failure(op)
	}
	code, all := exitPartly, max(op.Done, op.Total, len(op.Failures))
	if len(op.Failures) == all {
		code = exitFailed
	}
	return exitError{code, fmt.Errorf("%d of %s failed", len(op.Failures), count(all, "tenant"))}
}
