package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/poolkeeper/poolkeeper/config"
)

// The exit codes.
const (
	exitOK     = 0
	exitFailed = 1   // it could not do what it was asked to; one sentence on Stderr says why
	exitUsage  = 2   // an unknown command, flag or argument
	exitSignal = 130 // a second signal cut the graceful stop short
)

// App is the program: everything of it but the process. Tests run it as it is.
type App struct {
	Stdout, Stderr io.Writer
	// Env is the environment as os.Environ gives it.
	Env []string
	// Serving is called when serve or dev answers requests; nil for nobody.
	Serving func(Addresses)

	mu   sync.Mutex
	kill []func() // what Abort calls; guarded by mu
}

// Addresses are where a serving program can be reached, as host:port.
type Addresses struct{ Data, Admin string }

// Run executes one command line and returns the exit code. It returns when
// the command is done, or some time after ctx ends.
func (a *App) Run(ctx context.Context, args []string) int {
	out := &noted{Writer: a.Stdout}
	a.Stdout = out
	defer func() { a.Stdout = out.Writer }()
	root := a.root()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		err = out.failure()
	}
	if err == nil {
		return exitOK
	}
	if _, usage := errors.AsType[usageError](err); usage || strings.HasPrefix(err.Error(), "unknown command") {
		fmt.Fprintf(a.Stderr, "poolkeeper: %v\n\"poolkeeper --help\" lists the commands and their flags\n", err)
		return exitUsage
	}
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		fmt.Fprintln(a.Stderr, "poolkeeper: stopped before it served")
		return exitFailed
	}
	if problems, ok := errors.AsType[config.Problems](err); ok {
		fmt.Fprintln(a.Stderr, problems.Error())
		return exitFailed
	}
	fmt.Fprintf(a.Stderr, "poolkeeper: %v\n", err)
	if coded, ok := errors.AsType[exitError](err); ok {
		return coded.code
	}
	return exitFailed
}

// Abort ends at once what would outlive the process: the private PostgreSQL
// of dev.
func (a *App) Abort() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, kill := range a.kill {
		kill()
	}
	a.kill = nil
}

// onAbort has Abort call kill.
func (a *App) onAbort(kill func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.kill = append(a.kill, kill)
}

// A usageError is a command line that makes no sense.
type usageError struct{ error }

func (a *App) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "poolkeeper",
		Short: "A small pool of PostgreSQL connections for each tenant, lent per request",
		Long: `Poolkeeper lends every tenant of a PostgreSQL application a small connection
pool of its own: opened at the first request, pinned to the tenant's schema,
database or rows, and closed when nobody needs it.

  poolkeeper dev      tries it out: brings its own PostgreSQL and four tenants
  poolkeeper serve    serves the tenants of a configuration file

The other commands are for operators. They talk to the admin API of a running
server, or with --direct work on its databases themselves.

Exit codes:
  0    done
  1    failed; a sentence on the error stream says why
  2    the command line makes no sense; nothing was begun
  3    done for some tenants and failed for others
  4    there is no such tenant, API key, operation, pool or cluster
  5    the state of things does not allow it, or has changed meanwhile
  130  a second signal cut the graceful stop short`,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetUsageTemplate(strings.ReplaceAll(root.UsageTemplate(), ".FlagUsages", ".FlagUsagesWrapped 80"))
	root.SetOut(a.Stdout)
	root.SetErr(a.Stderr)
	root.CompletionOptions.DisableDefaultCmd = true
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{flagError(err)} })
	root.AddCommand(a.serveCommand(), a.devCommand(), a.configCommand(), a.versionCommand())
	a.operate(root)
	return root
}

// flagError says what a flag wants, not what reads it.
func flagError(err error) error {
	wrong, ok := errors.AsType[*pflag.InvalidValueError](err)
	if !ok {
		return err
	}
	wants, known := map[string]string{
		"int": "a whole number", "int64": "a whole number", "uint64": "a whole number from 0 on", "float64": "a number", "bool": "true or false",
	}[wrong.GetFlag().Value.Type()]
	if !known {
		return err
	}
	return fmt.Errorf("--%s %q must be %s", wrong.GetFlag().Name, printable(wrong.GetValue()), wants)
}

// noArgs is cobra.NoArgs with the exit code of a usage error.
func noArgs(cmd *cobra.Command, args []string) error {
	if err := cobra.NoArgs(cmd, args); err != nil {
		return usageError{err}
	}
	return nil
}

// configFlag adds --config.
func (a *App) configFlag(cmd *cobra.Command, path *string) {
	cmd.Flags().StringVarP(path, "config", "c", "config.yaml", "the configuration `file`")
}
