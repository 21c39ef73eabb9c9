package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"syscall"
	"time"
)

// listeners are the bound sockets; admin is nil without one.
type listeners struct{ data, admin net.Listener }

// Run binds both listeners, waits for Deps.Open, serves until ctx ends, then
// stops in order: it says that it is not ready and goes on for not_ready, stops
// accepting while leases drain, and closes the pools; what is not done within
// drain_timeout is cut. It returns nil after a stop in which everything ended by
// itself, ErrCut when something was cut, a sentence that names the setting when
// an address cannot be bound, the error of Deps.Open, or what ended a listener.
// When ctx ends before Deps.Open has done its work Run returns nil at once. It
// can be called once.
func (s *Server) Run(ctx context.Context) error {
	if s.started.Swap(true) {
		return ErrStarted
	}
	l, err := s.listen(ctx)
	if err != nil {
		return err
	}
	// The end of ctx begins the stop; it must not end the requests.
	requests, cut := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cut(nil)
	data, admin := s.httpServer(requests, s.data, s.dataTLS), s.httpServer(requests, s.admin, s.adminTLS)
	failed := make(chan error, 2)
	serve := func(h *http.Server, l net.Listener) {
		if l != nil {
			go func() { failed <- serveOn(h, l) }()
		}
	}
	admin.RegisterOnShutdown(s.stopFollowing)
	s.opening.Store(s.deps.Open != nil)
	serve(data, l.data)
	serve(admin, l.admin)
	if err := s.open(ctx, failed); err != nil {
		if ctx.Err() != nil { // told to stop, which is why it did not open
			err = nil
		}
		return errors.Join(err, s.giveUp(requests, data, admin))
	}
	close(s.ready)
	s.log.InfoContext(ctx, "serving", "listen", s.addr, "tls", s.dataTLS != nil,
		"admin_listen", s.adminAddr, "admin_tls", s.adminTLS != nil, "version", s.deps.Version)
	select {
	case <-ctx.Done():
	case err = <-failed:
		err = ended(err)
	}
	return errors.Join(err, s.stop(requests, cut, data, admin))
}

const (
	// maxStreams is how many requests a client may have under way on one
	// connection of HTTP/2.
	maxStreams = 250
	// pingAfter is how long a connection of HTTP/2 may be silent before it is
	// asked whether anybody is there, and pongWithin how long an answer may take.
	pingAfter, pongWithin = 30 * time.Second, 15 * time.Second
)

func serveOn(h *http.Server, l net.Listener) error {
	if h.TLSConfig == nil {
		return h.Serve(l)
	}
	return h.ServeTLS(l, "", "")
}

func (s *Server) httpServer(requests context.Context, h http.Handler, secured *tls.Config) *http.Server {
	return &http.Server{
		Handler:   h,
		TLSConfig: secured,
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams: maxStreams, WriteByteTimeout: s.cfg.WriteTimeout,
			SendPingTimeout: pingAfter, PingTimeout: pongWithin,
		},
		ReadHeaderTimeout: s.cfg.ReadHeaderTimeout,
		ReadTimeout:       s.cfg.ReadTimeout,
		IdleTimeout:       s.cfg.IdleTimeout,
		MaxHeaderBytes:    s.cfg.MaxHeaderBytes,
		ErrorLog:          s.connectionLog(),
		BaseContext:       func(net.Listener) context.Context { return requests },
	}
}

func (s *Server) listen(ctx context.Context) (listeners, error) {
	data, err := bind(ctx, "server.listen", s.cfg.Listen)
	if err != nil {
		return listeners{}, err
	}
	s.addr = data.Addr().String()
	if s.cfg.AdminListen == "" {
		return listeners{data: data}, nil
	}
	admin, err := bind(ctx, "server.admin_listen", s.cfg.AdminListen)
	if err == nil && !s.cfg.adminGuarded() && !isLoopback(admin.Addr().String()) {
		err = errors.Join(fmt.Errorf("server.admin_listen: %s leads to %s, which other machines can reach; use 127.0.0.1", s.cfg.AdminListen, admin.Addr()), admin.Close())
	}
	if err != nil {
		return listeners{}, errors.Join(err, data.Close())
	}
	s.adminAddr = admin.Addr().String()
	return listeners{data: data, admin: admin}, nil
}

// bind listens, or says in a sentence why it cannot.
func bind(ctx context.Context, field, address string) (net.Listener, error) {
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, unbound(field, address, err)
	}
	return l, nil
}

func unbound(field, address string, err error) error {
	var why string
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		why = "is in use by another program; stop it, or set another port"
	case errors.Is(err, syscall.EACCES):
		why = "may not be listened on by this user; use a port from 1024 up"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		why = "is not an address of this machine; use one that is, or leave the host empty for all"
	default:
		return fmt.Errorf("%s: cannot listen on %s: %w", field, address, err)
	}
	return &bindError{text: field + ": " + address + " " + why, err: err}
}
