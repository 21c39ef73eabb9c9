package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/poolkeeper/poolkeeper/config"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Environ(), os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "items:", err)
		os.Exit(1)
	}
}

// run serves until ctx ends.
func run(ctx context.Context, args, env []string, log io.Writer) error {
	flags := flag.NewFlagSet("items", flag.ContinueOnError)
	flags.SetOutput(log)
	path := flags.String("config", "examples/items/config.yaml", "configuration `file`, as poolkeeper's")
	listen := flags.String("listen", "", "`address` to serve on; server.listen of the configuration when empty")
	err := flags.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		return nil // the flags have been printed
	}
	if err != nil {
		return err
	}
	cfg, err := config.Load(*path, env)
	if err != nil {
		return err
	}
	if *listen != "" {
		cfg.Server.Listen = *listen
	}
	a, err := open(cfg, log)
	if err != nil {
		return err
	}
	return a.serve(ctx, cfg.Server, func(address string) {
		fmt.Fprintf(log, "items: serving on http://%s\n", address)
	})
}
