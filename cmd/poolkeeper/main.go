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
// immediate end. A hangup is no second one: who closes a terminal may send two.
func run() int {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	app := &App{Stdout: os.Stdout, Stderr: os.Stderr, Env: os.Environ()}

	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) { // as nohup has it
		signal.Notify(signals, syscall.SIGHUP)
	}
	defer signal.Stop(signals)
	go func() {
		<-signals
		cancel()
		for s := <-signals; s == syscall.SIGHUP; {
			s = <-signals
		}
		app.Abort()
		os.Exit(exitSignal)
	}()
	return app.Run(ctx, os.Args[1:])
}
