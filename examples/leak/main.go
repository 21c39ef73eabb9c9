package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/poolkeeper/poolkeeper/internal/pgtest"
)

// maxConnections is the private server's limit. A map of pools reaches it; the
// other ways stay far below.
const maxConnections = 60

func main() {
	opts := defaults()
	flag.IntVar(&opts.rounds, "rounds", opts.rounds, "how often every worker sends a request of each kind")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	results, err := demonstrate(ctx, opts)
	stop()
	if err == nil {
		fmt.Printf("%d tenants, %d requests at once, a server of %d connections\n\n", opts.tenants, opts.workers, maxConnections)
		err = printTable(os.Stdout, results)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "leak:", err)
		os.Exit(1)
	}
}

// settings are the server's.
func settings() map[string]string {
	return map[string]string{"max_connections": strconv.Itoa(maxConnections)}
}

// options bound the demonstration.
type options struct {
	rounds  int
	tenants int
	workers int
}

func defaults() options { return options{rounds: 60, tenants: 100, workers: 8} }

// demonstrate compares the ways on a server of its own.
func demonstrate(ctx context.Context, o options) (results []result, err error) {
	server, err := pgtest.Start(ctx, pgtest.Options{Settings: settings()})
	if err != nil {
		return nil, err
	}
	defer func() {
		// Also after Ctrl-C the server is stopped, and its folder removed.
		err = errors.Join(err, server.Stop(context.WithoutCancel(ctx)))
	}()
	return compare(ctx, o, server)
}

// compare makes the tenants and runs one way after the other.
func compare(ctx context.Context, o options, server *pgtest.Server) ([]result, error) {
	if err := createWorld(ctx, server.AdminDSN(""), o.tenants); err != nil {
		return nil, err
	}
	var results []result
	for _, v := range variants(o, server.DSN("postgres", login, password)) {
		w, err := v.open(ctx)
		if err != nil {
			return nil, err
		}
		l := &load{way: w, tenants: o.tenants, workers: o.workers}
		start := time.Now()
		r := l.run(ctx, v.name, o.rounds)
		r.took = time.Since(start)
		w.close()
		if err := awaitGone(ctx, server.AdminDSN("")); err != nil {
			return nil, err
		}
		results = append(results, r)
	}
	return results, nil
}

// variant is one row of the table.
type variant struct {
	name string
	open func(ctx context.Context) (way, error)
}

// variants opens each way with the pool that suits it: where a request holds a
// connection from its beginning to its end, there must be one for every worker.
func variants(o options, dsn string) []variant {
	workers := int32(o.workers) //nolint:gosec // a handful
	return []variant{
		{"one pool, SET search_path per request", func(ctx context.Context) (way, error) {
			pool, err := openPool(ctx, dsn, workers/2)
			return &setPerRequest{pool: pool}, err
		}},
		{"one pool, SET, and RESET in a defer", func(ctx context.Context) (way, error) {
			pool, err := openPool(ctx, dsn, workers)
			return &setAndReset{pool: pool}, err
		}},
		{"a map with a pool for each tenant", func(ctx context.Context) (way, error) {
			common, err := openPool(ctx, dsn, workers/2)
			return newPoolMap(dsn, common), err
		}},
		{"Poolkeeper", func(ctx context.Context) (way, error) {
			common, err := openPool(ctx, dsn, workers/2)
			if err != nil {
				return nil, err
			}
			w, err := newPoolkeeper(dsn, o.tenants, 2*o.workers, common)
			if err != nil {
				common.Close()
				return nil, err
			}
			return w, nil
		}},
	}
}

func printTable(out io.Writer, results []result) error {
	table := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	fmt.Fprintln(table, "\trequests\tright rows\tWRONG ROWS\trefused\ttook")
	for _, r := range results {
		fmt.Fprintf(table, "%s\t%d\t%d\t%d\t%d\t%v\n",
			r.name, r.requests, r.right, r.wrong, r.refused, r.took.Round(10*time.Millisecond))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, r := range results {
		if r.example != "" {
			fmt.Fprintf(out, "\n%s:\n  %s\n", r.name, r.example)
		}
		if r.refusal != nil {
			fmt.Fprintf(out, "\n%s:\n  refused %v\n", r.name, r.refusal)
		}
	}
	return nil
}
