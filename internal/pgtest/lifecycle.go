package pgtest

import "context"

// Stop stops the server and returns when no process of it is left. Data is
// written out first, unless ctx ends before that is done; then the stop is
// hard, but complete all the same. A temporary folder is removed. Stopping
// again does nothing.
func (s *Server) Stop(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return nil
	}
	s.stopped = true
	s.proc.stop(ctx)
	return s.leave()
}

// Kill ends every process of the server by force, as a crash would, and
// returns when they are gone. The data stays as it was; [Server.Restart]
// recovers it.
func (s *Server) Kill() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return ErrStopped
	}
	s.proc.kill()
	return nil
}

// Exited returns a channel that is closed when the postgres that runs now ends
// although nobody has called [Server.Stop], [Server.Kill] or [Server.Restart]:
// it crashed, or somebody killed it. After a Restart there is another one.
func (s *Server) Exited() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.proc.exited
}

// Restart stops the server if it runs, starts it again on the same port and
// returns when it accepts connections.
func (s *Server) Restart(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return ErrStopped
	}
	s.proc.stop(ctx)
	return s.launch(ctx, s.port)
}
