package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/pprof"
	"strings"
	"time"

	"github.com/poolkeeper/poolkeeper/bench/figures"
	"github.com/poolkeeper/poolkeeper/bench/plot"
	"github.com/poolkeeper/poolkeeper/bench/report"
	"github.com/poolkeeper/poolkeeper/bench/world"
	"github.com/poolkeeper/poolkeeper/internal/pgtest"
)

// run measures, prints a line for each figure to out and what goes on to
// progress, and writes the results.
func (o *options) run(ctx context.Context, out, progress io.Writer) (err error) {
	fmt.Fprintf(progress, "starting PostgreSQL, making %d tenants\n", o.scale.Tenants+o.scale.Owners)
	w, stop, err := o.start(ctx)
	if err != nil {
		return err
	}
	return errors.Join(o.measure(ctx, w, out, progress), stop())
}

// measure is run on a world that is there.
func (o *options) measure(ctx context.Context, w *world.World, out, progress io.Writer) error {
	end, err := profile(o.cpuProfile)
	if err != nil {
		return err
	}
	began := time.Now()
	bench := &figures.Bench{
		World: w, Scale: o.scale, SQL: o.modes(w.Server.Version()), Workloads: o.workloads, Ways: o.ways,
		Log: func(format string, args ...any) {
			fmt.Fprintf(progress, "%6.1fs  %s\n", time.Since(began).Seconds(), fmt.Sprintf(format, args...))
		},
	}
	found, err := bench.Run(ctx, o.figures, func(f *report.Figure) { o.tell(out, f) })
	if err = errors.Join(err, end()); err != nil {
		return err
	}
	return errors.Join(o.write(found, progress), failed(found))
}

// start starts the server and makes the world; stop ends it.
func (o *options) start(ctx context.Context) (w *world.World, stop func() error, err error) {
	wo := world.Options{Tenants: o.scale.Tenants, Owners: o.scale.Owners, SetUser: o.setUser}
	po := pgtest.Options{Settings: world.Settings(wo)}
	if cache, err := os.UserCacheDir(); err == nil {
		po.Cache = filepath.Join(cache, "poolkeeper", "postgresql")
	}
	server, err := pgtest.Start(ctx, po)
	if err != nil {
		return nil, nil, err
	}
	stop = func() error {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		return server.Stop(ctx)
	}
	if w, err = world.New(ctx, server, wo); err != nil {
		return nil, nil, errors.Join(err, stop())
	}
	return w, stop, nil
}

// tell prints the figure's line, and all of it where it is not written.
func (o *options) tell(out io.Writer, f *report.Figure) {
	fmt.Fprintln(out, f.Line())
	if o.out == "" && o.scale.Name != "quick" {
		fmt.Fprintf(out, "\n%s", f.Markdown())
	}
}

// write leaves the results, if there is a place for them.
func (o *options) write(found *report.Run, progress io.Writer) error {
	if o.out == "" {
		return nil
	}
	if err := found.Write(o.out, plot.All(found)); err != nil {
		return err
	}
	fmt.Fprintf(progress, "written to %s\n", o.out)
	return nil
}

// failed is the error of a run that is worth nothing.
func failed(found *report.Run) error {
	if len(found.Failures) == 0 {
		return nil
	}
	return fmt.Errorf("bench: this run is worth nothing:\n  %s", strings.Join(found.Failures, "\n  "))
}

// profile starts a CPU profile, when a file is named; end finishes it.
func profile(path string) (end func() error, err error) {
	if path == "" {
		return func() error { return nil }, nil
	}
	file, err := os.Create(path) //nolint:gosec // the user names it
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(file); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return func() error {
		pprof.StopCPUProfile()
		return file.Close()
	}, nil
}
