package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	os.Exit(run())
}

// run turns the first signal into a graceful stop and the second one into an
// immediate end.
func run() int {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	app := &App{Stdout: os.Stdout, Stderr: os.Stderr, Env: os.Environ()}

	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	go func() {
		<-signals
		cancel()
		<-signals
		app.Abort()
		os.Exit(exitSignal)
	}()
	return app.Run(ctx, os.Args[1:])
}
