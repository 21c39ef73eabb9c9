package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"

	"github.com/poolkeeper/poolkeeper/internal/pgtest"
	"github.com/poolkeeper/poolkeeper/registry"
)

// database is the PostgreSQL server that dev uses.
type database struct {
	admin *url.URL // the administrator's connection string
	what  string   // "PostgreSQL 18.4", for the banner
	where string   // where its data lies
	note  string   // what else the user should know
	stop  func(context.Context) error

	exited <-chan struct{} // closed when the private server ends by itself; nil for one that is not ours
	log    string          // the private server's log
}

// guard returns a context that ends, with a cause that is a sentence, when the
// private server ends by itself: nothing that dev has could go on without it.
func (d *database) guard(ctx context.Context) (context.Context, context.CancelCauseFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		select {
		case <-d.exited:
			cancel(&exitedError{what: d.what, log: d.log})
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}

// exitedError says that the private server is gone.
type exitedError struct{ what, log string }

func (e *exitedError) Error() string {
	return fmt.Sprintf("%s, which dev had started, was killed or crashed, so dev stopped; start it again to go on with the data (PostgreSQL's log is %s)",
		e.what, e.log)
}

// devDatabase starts the private server, or uses the one that was named.
func (a *App) devDatabase(ctx context.Context, f devFlags) (*database, error) {
	if f.postgres != "" {
		return namedDatabase(f.postgres)
	}
	srv, err := pgtest.Start(ctx, pgtest.Options{
		Bin:      f.bin,
		Data:     filepath.Join(f.data, "postgresql"),
		Cache:    filepath.Join(f.data, "programs"),
		Settings: devSettings(),
	})
	if err != nil && ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		return nil, plainError(err)
	}
	a.onAbort(func() { _ = srv.Kill() })
	admin, err := url.Parse(srv.AdminDSN("postgres"))
	if err != nil {
		return nil, errors.Join(err, srv.Stop(ctx))
	}
	return &database{
		admin: admin,
		what:  "PostgreSQL " + srv.Binaries().Version,
		where: srv.DataDir(),
		note:  srv.Note(),
		stop:  srv.Stop,

		exited: srv.Exited(),
		log:    srv.LogFile(),
	}, nil
}

// devSettings leave PostgreSQL's durability alone: the data is kept.
func devSettings() map[string]string {
	return map[string]string{"max_connections": "200"}
}

// namedDatabase is a server that runs already and goes on running.
func namedDatabase(dsn string) (*database, error) {
	admin, err := url.Parse(dsn)
	if err != nil || (admin.Scheme != "postgres" && admin.Scheme != "postgresql") || admin.Host == "" {
		return nil, errors.New("--postgres must be a connection string such as postgres://postgres:password@127.0.0.1:5432/postgres")
	}
	if strings.Trim(admin.Path, "/") == "" {
		admin.Path = "/postgres"
	}
	return &database{
		admin: admin,
		what:  "the PostgreSQL at " + admin.Host,
		where: "that server",
		stop:  func(context.Context) error { return nil },
	}, nil
}

// cluster is what takes the place of the file's cluster: the same login and
// database on this server.
func (d *database) cluster(c registry.Cluster, passwords credentials) (registry.Cluster, error) {
	wanted, err := url.Parse(c.DSN.Reveal())
	if err != nil || wanted.User.Username() == "" || strings.Trim(wanted.Path, "/") == "" {
		return registry.Cluster{}, errors.New("dev needs a dsn that names a login and a database, such as postgres://app@127.0.0.1:5432/app")
	}
	login := wanted.User.Username()
	if login == d.admin.User.Username() {
		return registry.Cluster{}, fmt.Errorf("its dsn has the login %s, which is the administrator of dev's server; give it another one", login)
	}
	password, err := passwords.of(login)
	if err != nil {
		return registry.Cluster{}, err
	}
	dsn, admin := *d.admin, *d.admin
	dsn.User = url.UserPassword(login, password.Reveal())
	dsn.Path, admin.Path = wanted.Path, wanted.Path
	c.DSN, c.Admin = registry.NewSecret(dsn.String()), registry.NewSecret(admin.String())
	c.Addresses, c.SpareDSN = nil, registry.Secret{} // they are the other server's
	return c, nil
}

// plainError leaves out the name of the package that found it.
func plainError(err error) error {
	return errors.New(strings.ReplaceAll(err.Error(), "pgtest: ", ""))
}
