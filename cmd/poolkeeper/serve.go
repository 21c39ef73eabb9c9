package main

import (
	"context"
	"errors"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/poolkeeper/poolkeeper/config"
	"github.com/poolkeeper/poolkeeper/metrics"
	"github.com/poolkeeper/poolkeeper/onboard"
	"github.com/poolkeeper/poolkeeper/registry"
)

func (a *App) serveCommand() *cobra.Command {
	var path string
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve the tenants of a configuration file",
		Long: `Serve the tenants of a configuration file. Their records are followed while it
runs: save the file and they change, and so do the budgets of the clusters.
Everything else in the file takes effect at the next start. SIGINT, SIGTERM or
SIGHUP stops gracefully, a second SIGINT or SIGTERM at once. No signal is needed
for the file to be read again.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.serve(cmd.Context(), path)
		},
	}
	a.configFlag(cmd, &path)
	return cmd
}

func (a *App) serve(ctx context.Context, path string) error {
	cfg, err := config.Load(path, a.Env)
	if err != nil {
		return err
	}
	log := newLog(cfg.Log, a.Stderr)
	if cfg.Router.Dev {
		log.Warn("router.dev is on: whoever can reach this server can name any tenant")
	}
	m := newMetrics(cfg)
	file, reload, err := fileSource(cfg, cfg.Clusters, a.Env, m, log)
	if err != nil {
		return err
	}
	p, err := newPlane(cfg, m, log)
	if err != nil {
		return err
	}
	if p != nil {
		return a.serveControlled(ctx, cfg, controlled{plane: p, file: file, reload: reload, metrics: m, log: log})
	}
	return a.serveFile(ctx, cfg, file, reload, m, log)
}

// serveFile serves the tenants of the file, which is all that is known of
// them.
func (a *App) serveFile(ctx context.Context, cfg *config.Config, file *registry.File, reload *reloading, m *metrics.Metrics, log *slog.Logger) error {
	provisioner, err := onboard.New(cfg.Onboard, cfg.Clusters, log)
	if err != nil {
		return err
	}
	if !cfg.Onboard.AtStart {
		s, err := wire(cfg, file, nil, m, log, nil)
		if err != nil {
			return err
		}
		reload.begin(s.keeper, nil)
		return s.run(ctx, a.serving)
	}
	source := newDeclaredSource(file, provisioner, m, log)
	s, err := wire(cfg, source, nil, m, log, func(ctx context.Context, s *system) error {
		learnBudgets(ctx, provisioner, cfg.Clusters, s.keeper, log)
		withinBudget(provisioner, s.keeper, nil)
		err := source.prepareAll(ctx)
		if err == nil {
			reload.begin(s.keeper, nil)
		}
		return err
	})
	if err != nil {
		return err
	}
	return s.run(ctx, a.serving)
}

// controlled is what serves tenants of a control database.
type controlled struct {
	plane   *plane
	file    *registry.File // of the declared tenants, the plans and the clusters' numbers
	reload  *reloading
	metrics *metrics.Metrics
	log     *slog.Logger
}

// serveControlled serves the tenants of the control database, which the file
// declares some of.
func (a *App) serveControlled(ctx context.Context, cfg *config.Config, c controlled) error {
	defer c.plane.close()
	declaring := newDeclaring(c.plane, cfg, c.log)
	s, err := c.wire(cfg, func(ctx context.Context, s *system) error {
		err := c.open(ctx, s)
		if err == nil {
			c.reload.begin(s.keeper, declaring.changed)
		}
		return err
	})
	if err != nil {
		return err
	}
	return s.run(ctx, a.serving, c.followFile, declaring.run, c.plane.operator.Stock)
}

func (c *controlled) wire(cfg *config.Config, open func(context.Context, *system) error) (*system, error) {
	c.plane.hook(cfg)
	return wire(cfg, c.plane.db, c.plane, c.metrics, c.log, open)
}

// open waits for the control database and reads the tenants.
func (c *controlled) open(ctx context.Context, s *system) error {
	c.plane.through(ctx, s.keeper)
	if err := c.plane.open(ctx); err != nil {
		return err
	}
	c.metrics.WatchControl(func() metrics.Control { return metrics.Control(c.plane.db.Following()) })
	return nil
}

// followFile has the file's changes told, until ctx ends.
func (c *controlled) followFile(ctx context.Context) {
	if err := c.file.Watch(ctx, func([]registry.Change) {}); err != nil && ctx.Err() == nil {
		c.log.Error("the file is no longer followed; restart to follow it again", "error", err)
	}
}

// serving tells tests that the program serves.
func (a *App) serving(at Addresses) {
	if a.Serving != nil {
		a.Serving(at)
	}
}

func newMetrics(cfg *config.Config) *metrics.Metrics {
	b := thisBuild()
	return metrics.New(cfg.Metrics, metrics.Build{Version: b.version, Revision: b.revision, GoVersion: b.goVersion})
}

// fileSource follows the tenants of the configuration file, which is held as
// a whole to the rules of a start. clusters are those to use, which dev
// replaces.
func fileSource(cfg *config.Config, clusters map[string]registry.Cluster, env []string, m *metrics.Metrics, log *slog.Logger) (*registry.File, *reloading, error) {
	reload := &reloading{file: cfg.Follow(env), log: log}
	file, err := registry.NewFile(registry.FileConfig{
		Path:     cfg.Path(),
		Dir:      cfg.TenantsDir,
		Clusters: clusters,
		Check:    reload.file.Check,
		Reloaded: func(added, changed, removed int, err error) {
			m.Reloaded(err)
			logReload(log, added, changed, removed, wholeStory(cfg.Path(), env, err))
			if err == nil {
				reload.takeOver()
			}
		},
	})
	return file, reload, err
}

// wholeStory is all that is wrong with a file that was refused: the source reads
// its tenants before anybody reads the rest, and what is wrong with them may
// follow from that, as when the key plans is misspelt.
func wholeStory(path string, env []string, err error) error {
	if err == nil {
		return nil
	}
	if _, all := config.Load(path, env); all != nil {
		return all
	}
	return err
}

// logReload gives each problem of a refused file a line.
func logReload(log *slog.Logger, added, changed, removed int, err error) {
	if problems, ok := errors.AsType[config.Problems](err); ok {
		for _, p := range problems {
			log.Error("changed configuration refused; the last good one stays", "problem", p.Error())
		}
		return
	}
	switch {
	case err != nil:
		log.Error("changed configuration refused; the last good one stays", "problem", err)
	case added+changed+removed > 0:
		log.Info("tenants changed in the file", "added", added, "changed", changed, "removed", removed)
	}
}
