package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/poolkeeper/poolkeeper/config"
	"github.com/poolkeeper/poolkeeper/registry"
)

// devFlags are the flags of dev.
type devFlags struct {
	config, listen, adminListen, data, postgres, bin string
}

func (a *App) devCommand() *cobra.Command {
	var f devFlags
	cmd := &cobra.Command{
		Use:   "dev",
		Short: "Try it out: a private PostgreSQL, the tenants of config.yaml, examples to copy",
		Long: `Try Poolkeeper out. dev finds the programs of PostgreSQL (or fetches them),
starts a private server whose data stays under --data, makes the tenants of the
configuration file real there, serves them and prints examples to copy. The
addresses and logins in the file's clusters section are not used.

Every way to name a tenant counts without a credential: for your own machine
only. Ctrl-C stops everything; the next start finds the data again.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.dev(cmd.Context(), f)
		},
	}
	a.configFlag(cmd, &f.config)
	flags := cmd.Flags()
	flags.StringVar(&f.listen, "listen", "", "`address` of the data API (default: server.listen of the file)")
	flags.StringVar(&f.adminListen, "admin-listen", "", "`address` of the admin API (default: server.admin_listen of the file)")
	flags.StringVar(&f.data, "data", ".poolkeeper", "`folder` for PostgreSQL's data and the generated passwords")
	flags.StringVar(&f.postgres, "postgres", "", "use the running server of this administrator's `DSN` instead of a private one")
	flags.StringVar(&f.bin, "postgres-bin", "", "`folder` of PostgreSQL's programs (default: look in PATH and the usual places)")
	return cmd
}

func (a *App) dev(ctx context.Context, f devFlags) (err error) {
	file, err := config.Load(f.config, a.Env)
	if err != nil {
		return err
	}
	cluster, err := onlyCluster(file)
	if err == nil && f.postgres == "" {
		err = noForeigners(file)
	}
	if err != nil {
		return err
	}
	cfg, err := devConfig(file, f)
	if err != nil {
		return err
	}
	// What can fail at once should not wait for PostgreSQL.
	if err := checkFree(ctx, cfg.Server.Listen, cfg.Server.AdminListen); err != nil {
		return err
	}
	passwords, err := openCredentials(f.data)
	if err != nil {
		return err
	}
	db, err := a.devDatabase(ctx, f)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stopDatabase(db)) }()
	ctx, done := db.guard(ctx)
	defer done(nil)

	replaced, err := db.cluster(file.Clusters[cluster], passwords)
	if err != nil {
		return fmt.Errorf("clusters.%s: %w", cluster, err)
	}
	cfg.Clusters = map[string]registry.Cluster{cluster: replaced}
	cfg.Pools.Clusters = cfg.Clusters
	if err := devControl(cfg, db, passwords, f.data); err != nil {
		return err
	}
	err = a.serveDev(ctx, devRun{
		file: file, cfg: cfg, db: db, home: databaseOf(replaced.DSN), log: newLog(file.Log, a.Stderr),
	})
	if exited, ok := errors.AsType[*exitedError](context.Cause(ctx)); ok {
		return exited // whatever else failed, failed because of it
	}
	return err
}

// devRun is what dev has when the database runs.
type devRun struct {
	file *config.Config // as it was loaded
	cfg  *config.Config // with what dev changes
	db   *database
	home string // the database of the cluster's connection string
	log  *slog.Logger
}

// serveDev makes the tenants real, serves them and prints the examples.
func (a *App) serveDev(ctx context.Context, r devRun) error {
	if err := r.db.prepare(ctx, r.home); err != nil {
		return err
	}
	if err := r.db.prepare(ctx, controlDatabase(r.cfg.Control.Keyset)); err != nil {
		return err
	}
	m := newMetrics(r.cfg)
	file, reload, err := fileSource(r.file, r.cfg.Clusters, a.Env, m, r.log)
	if err != nil {
		return err
	}
	p, err := newPlane(r.cfg, m, r.log)
	if err != nil {
		return err
	}
	defer p.close()
	c := controlled{plane: p, file: file, reload: reload, metrics: m, log: r.log}
	s, err := c.wire(r.cfg, nil)
	if err != nil {
		return err
	}
	err = c.open(ctx, s)
	if err == nil {
		err = r.tenants(ctx, p)
	}
	if err != nil {
		return errors.Join(err, s.closePools())
	}
	declaring := newDeclaring(p, r.cfg, r.log)
	reload.begin(s.keeper, declaring.changed)
	return s.run(ctx, func(at Addresses) {
		tenants, err := allTenants(ctx, p.db)
		if err != nil {
			r.log.Error("listing the tenants", "error", err)
		}
		fmt.Fprint(a.Stdout, banner(urlsOf(at, r.cfg.Server), r.db, tenants))
		a.serving(at)
	}, c.followFile, declaring.run, p.operator.Stock)
}

// tenants makes the tenants of the file real before anybody is served, so that
// the first look shows them all.
func (r *devRun) tenants(ctx context.Context, p *plane) error {
	failed, err := p.declare(ctx, r.cfg.Documents)
	if err == nil && len(failed) > 0 && p.db.Count()[registry.StatusActive] == 0 {
		err = failed[0] // there is nobody to serve
	}
	if err != nil {
		return err
	}
	return r.db.publicTables(ctx, r.home, r.cfg.Onboard.Migrations)
}

// onlyCluster returns the name of the one cluster that dev can stand in for.
func onlyCluster(cfg *config.Config) (string, error) {
	if len(cfg.Clusters) != 1 {
		return "", fmt.Errorf("dev stands in for one cluster, but %s names %d; serve can use them all", cfg.Path(), len(cfg.Clusters))
	}
	for name := range cfg.Clusters {
		return name, nil
	}
	return "", nil
}

// noForeigners refuses tenants whose own connection strings lead elsewhere
// than to the private server.
func noForeigners(cfg *config.Config) error {
	for _, t := range cfg.Tenants {
		if !t.DSN.IsZero() {
			return fmt.Errorf("tenant %s has a dsn of its own, but dev has one private server; give it a database and a login instead", t.ID)
		}
	}
	return nil
}

// devConfig is the file's configuration with every way to name a tenant open,
// and the addresses of the flags.
func devConfig(file *config.Config, f devFlags) (*config.Config, error) {
	cfg := *file
	cfg.Router.Dev = true
	cfg.Router.Resolvers = []string{"key", "host", "path", "neon", "header"}
	if cfg.JWT.Wanted() {
		cfg.Router.Resolvers = slices.Insert(cfg.Router.Resolvers, 1, "jwt")
	}
	cfg.Router.HostTemplate = "{tenant}.localhost"
	if f.listen != "" {
		cfg.Server.Listen = f.listen
	}
	if f.adminListen != "" {
		cfg.Server.AdminListen = f.adminListen
	}
	return &cfg, errors.Join(cfg.Server.Validate(), cfg.Router.Validate())
}

// checkFree says which address is taken. Run finds out as well, but only when
// PostgreSQL runs and the tenants are made.
func checkFree(ctx context.Context, addresses ...string) error {
	for _, address := range addresses {
		if address == "" {
			continue
		}
		listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
		if errors.Is(err, syscall.EADDRINUSE) {
			return fmt.Errorf("%s is in use by another program; stop it, or choose another address with --listen and --admin-listen", address)
		}
		if err != nil {
			return fmt.Errorf("%s cannot be listened on: %w", address, err)
		}
		if err := listener.Close(); err != nil {
			return err
		}
	}
	return nil
}

// stopTimeout is how long PostgreSQL gets to write everything out.
const stopTimeout = 30 * time.Second

func stopDatabase(db *database) error {
	// dev's own context has ended when this is called.
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	if err := db.stop(ctx); err != nil {
		return fmt.Errorf("stopping PostgreSQL: %w", err)
	}
	return nil
}
