package pgtest

import (
	"context"
	"io"
	"os"
	"runtime"
	"sync/atomic"
	"syscall"
	"time"
)

// process is a running postgres, started by us.
type process struct {
	pid    int
	done   chan struct{} // closed when postgres has ended and was waited for
	exited chan struct{} // closed before done when nobody had asked for the end
	asked  atomic.Bool   // somebody has
}

// output is where a process writes; file is closed when it has ended.
type output struct {
	io.Writer
	file *os.File
}

// startProcess starts postgres. It owns out once it has started it.
func startProcess(ctx context.Context, acct account, out output, program string, args ...string) (*process, error) {
	cmd := acct.command(context.WithoutCancel(ctx), program, args...)
	cmd.Stdout, cmd.Stderr = out.Writer, out.Writer
	cmd.WaitDelay = 5 * time.Second // for the output of a child that outlives postgres
	dieWithUs(cmd.SysProcAttr)
	p := &process{done: make(chan struct{}), exited: make(chan struct{})}
	started := make(chan error)
	go func() {
		// The kernel's "stop with the parent" looks at the thread that
		// started the child, so this one stays until the child has ended.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		if err == nil {
			p.pid = cmd.Process.Pid
		}
		started <- err
		if err == nil {
			_ = cmd.Wait() // how it ended is in the log
			_ = out.file.Close()
			if !p.asked.Load() {
				close(p.exited)
			}
			close(p.done)
		}
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	if err := watchOver(ctx, acct, p); err != nil {
		p.kill()
		return nil, err
	}
	return p, nil
}

// ended reports whether postgres has ended.
func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// stop ends postgres: first as PostgreSQL's fast shutdown, which writes
// everything out, then as its immediate one, then by force. When ctx ends, the
// next step comes at once.
func (p *process) stop(ctx context.Context) {
	if p.ended() {
		return // its number may be another's by now
	}
	p.asked.Store(true)
	hurry := ctx.Done()
	for _, step := range []struct {
		signal syscall.Signal
		limit  time.Duration
	}{{syscall.SIGINT, 20 * time.Second}, {syscall.SIGQUIT, 5 * time.Second}} {
		_ = syscall.Kill(p.pid, step.signal)
		select {
		case <-p.done:
			return
		case <-hurry:
			hurry = nil // the next step has its own limit
		case <-time.After(step.limit):
		}
	}
	p.kill()
}

// kill ends postgres and all its children by force, at once, and returns when
// they are gone. Postgres is frozen first, so that it starts no child that the
// list lacks.
func (p *process) kill() {
	if p.ended() {
		return
	}
	p.asked.Store(true)
	_ = syscall.Kill(p.pid, syscall.SIGSTOP)
	children := childrenOf(p.pid)
	for _, pid := range append(children, p.pid) {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	<-p.done
	for _, pid := range children {
		waitGone(pid, 5*time.Second)
	}
}

// waitGone waits until no process has the number.
func waitGone(pid int, limit time.Duration) bool {
	deadline := time.After(limit)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for alive(pid) {
		select {
		case <-tick.C:
		case <-deadline:
			return false
		}
	}
	return true
}
