package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/poolkeeper/poolkeeper/config"
	"github.com/poolkeeper/poolkeeper/metrics"
	"github.com/poolkeeper/poolkeeper/onboard"
	"github.com/poolkeeper/poolkeeper/pools"
	"github.com/poolkeeper/poolkeeper/registry"
)

func (a *App) serveCommand() *cobra.Command {
	var path string
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve the tenants of a configuration file",
		Long: `Serve the tenants of a configuration file. Their records are followed while it
runs: save the file and they change, and so do the budgets of the clusters.
Everything else in the file takes effect at the next start. SIGINT or SIGTERM
stops gracefully, a second one at once.`,
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
	source, reload, err := fileSource(cfg, cfg.Clusters, a.Env, m, log)
	if err != nil {
		return err
	}
	s, err := wire(cfg, source, m, log)
	if err != nil {
		return err
	}
	if cfg.Onboard.AtStart {
		if err := onboardAll(ctx, cfg, s.keeper, m, log); err != nil {
			return errors.Join(err, s.closePools())
		}
	}
	reload.begin(s.keeper)
	return s.run(ctx, a.serving)
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
			logReload(log, added, changed, removed, err)
			if err == nil {
				reload.takeOver()
			}
		},
	})
	return file, reload, err
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

// onboardAll makes the tenants of the file real, within the budgets of their
// clusters.
func onboardAll(ctx context.Context, cfg *config.Config, keeper *pools.Keeper, m *metrics.Metrics, log *slog.Logger) error {
	provisioner, err := onboard.New(cfg.Onboard, cfg.Clusters, log)
	if err != nil {
		return err
	}
	withinBudget(provisioner, keeper)
	done, err := onboardWanted(ctx, cfg.Tenants, log, func(ctx context.Context, t *registry.Tenant) error {
		err := provisioner.Provision(ctx, t)
		m.Onboarded(err)
		return err
	})
	if err == nil && done.hopeless() {
		err = fmt.Errorf("none of the %s could be onboarded; the log says why for each", count(done.wanted, "tenant"))
	}
	return err
}
