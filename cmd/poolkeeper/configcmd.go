package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/poolkeeper/poolkeeper/config"
	"github.com/poolkeeper/poolkeeper/router/token"
)

func (a *App) configCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Check or show the configuration",
		Args:  noArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.configCheckCommand(), a.configShowCommand())
	return cmd
}

func (a *App) configCheckCommand() *cobra.Command {
	var path string
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Say everything that is wrong with the file and the environment; exit code 1 when something is",
		Args:  noArgs,
		RunE: func(*cobra.Command, []string) error {
			cfg, err := config.Load(path, a.Env)
			if err == nil {
				err = errors.Join(cfg.Server.CheckFiles(), checkIssuer(cfg.JWT))
			}
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(a.Stdout, "%s is right: %s on %s\n", path,
				count(len(cfg.Tenants), "tenant"), count(len(cfg.Clusters), "cluster"))
			return err
		},
	}
	a.configFlag(cmd, &path)
	return cmd
}

// checkIssuer reads the file of the issuer's keys, as a start does. A URL is not
// asked: the issuer may be down while the configuration is right.
func checkIssuer(cfg token.Config) error {
	if !cfg.Wanted() {
		return nil
	}
	verifier, err := token.New(cfg, nil)
	if err != nil {
		return err
	}
	verifier.Close()
	return nil
}

func (a *App) configShowCommand() *cobra.Command {
	var path string
	cmd := &cobra.Command{
		Use:   "show",
		Short: "Print the configuration in force and where each value comes from, secrets hidden",
		Args:  noArgs,
		RunE: func(*cobra.Command, []string) error {
			cfg, err := config.Load(path, a.Env)
			if err != nil {
				return err
			}
			text, err := cfg.Show()
			if err != nil {
				return err
			}
			_, err = fmt.Fprint(a.Stdout, text)
			return err
		},
	}
	a.configFlag(cmd, &path)
	return cmd
}

// count writes "1 tenant", "2 tenants".
func count(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return fmt.Sprintf("%d %s", n, noun)
}
