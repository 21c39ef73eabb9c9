package integration_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/router"
)

func id(name string) registry.ID {
	if name == "" {
		return registry.ID{}
	}
	return registry.MustParseID(name)
}

// application is a program on the library: its handlers read, write in
// transactions, fail, panic, and treat their session badly.
func application() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/rows", func(w http.ResponseWriter, r *http.Request) {
		answerRows(w, r, func(ctx context.Context) (pgx.Rows, error) {
			l, err := router.Lease(ctx)
			if err != nil {
				return nil, err
			}
			return l.Query(ctx, "SELECT tenant FROM items") //nolint:rowserrcheck // its caller collects the rows
		})
	})
	mux.HandleFunc("/tx", func(w http.ResponseWriter, r *http.Request) {
		l, err := router.Lease(r.Context())
		if err != nil {
			router.WriteProblem(w, r, router.ProblemOf(err))
			return
		}
		err = l.InTx(r.Context(), pgx.TxOptions{}, func(tx pgx.Tx) error {
			rows, err := tx.Query(r.Context(), "UPDATE items SET id = id RETURNING tenant")
			if err != nil {
				return err
			}
			names, err := pgx.CollectRows(rows, pgx.RowTo[string])
			_, _ = io.WriteString(w, strings.Join(names, "\n"))
			return err
		})
		if err != nil {
			panic(err)
		}
	})
	mux.HandleFunc("/panic", func(w http.ResponseWriter, r *http.Request) {
		l, err := router.Lease(r.Context())
		if err == nil {
			_, err = l.Exec(r.Context(), "BEGIN") // and never ended
		}
		if err == nil {
			panic("a handler's mistake")
		}
		router.WriteProblem(w, r, router.ProblemOf(err))
	})
	mux.HandleFunc("/vandal", func(w http.ResponseWriter, r *http.Request) {
		l, err := router.Lease(r.Context())
		if err != nil {
			router.WriteProblem(w, r, router.ProblemOf(err))
			return
		}
		if _, err := l.Exec(r.Context(), r.URL.Query().Get("sql"), pgx.QueryExecModeSimpleProtocol); err != nil {
			router.WriteProblem(w, r, router.ProblemOf(err))
		}
	})
	return mux
}

func answerRows(w http.ResponseWriter, r *http.Request, query func(context.Context) (pgx.Rows, error)) {
	rows, err := query(r.Context())
	if err == nil {
		var names []string
		if names, err = pgx.CollectRows(rows, pgx.RowTo[string]); err == nil {
			_, _ = io.WriteString(w, strings.Join(names, "\n"))
			return
		}
	}
	router.WriteProblem(w, r, router.ProblemOf(err))
}

// Criterion: the same as TestTheGatewayNeverMixesTenantsUpUnderLoad, for all
// isolations, through a program with the middleware.
func TestTheMiddlewareNeverMixesTenantsUpUnderLoad(t *testing.T) {
	f := newFleet(t, small, repeat(200, "own", "shared", "row", "shared", "row", "own", "shared", "row", "row", "database")...)
	ts := httptest.NewUnstartedServer(newRouter(t, f).Middleware(application()))
	ts.Config.ErrorLog = log.New(io.Discard, "", 0) // every tenth handler panics
	ts.Start()
	t.Cleanup(ts.Close)
	c := client(t)
	crowd(t, f, func(random *rand.Rand, name string) error {
		switch random.IntN(8) {
		case 0:
			status, text, err := visit(t.Context(), c, ts.URL+"/panic", name)
			if err == nil {
				return fmt.Errorf("a panic was answered %d %s", status, text)
			}
			return nil
		case 1, 2:
			bad := vandals()[random.IntN(len(vandals()))]
			return expect(t.Context(), c, ts.URL+"/vandal?sql="+url.QueryEscape(bad), name, 200, 400)
		case 3:
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Millisecond)
			defer cancel()
			_, _, _ = visit(ctx, c, ts.URL+"/vandal?sql="+url.QueryEscape("SELECT pg_sleep(5)"), name)
			return nil
		case 4:
			return expect(t.Context(), c, ts.URL+"/vandal?sql="+url.QueryEscape("SELECT 1/0"), name, 400)
		case 5:
			return ownRows(t.Context(), c, ts.URL+"/tx", name)
		default:
			return ownRows(t.Context(), c, ts.URL+"/rows", name)
		}
	})
}

func visit(ctx context.Context, c *http.Client, url, tenant string) (int, string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, "", err
	}
	req.Header.Set("X-Tenant-ID", tenant)
	res, err := c.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	return res.StatusCode, string(text), err
}

func expect(ctx context.Context, c *http.Client, url, name string, statuses ...int) error {
	status, text, err := visit(ctx, c, url, name)
	if err != nil {
		return err
	}
	if slices.Contains(statuses, status) {
		return nil
	}
	return fmt.Errorf("%s is answered %d %s", url, status, text)
}

func ownRows(ctx context.Context, c *http.Client, url, name string) error {
	status, text, err := visit(ctx, c, url, name)
	if err != nil {
		return err
	}
	if status != http.StatusOK || text != name+"\n"+name {
		return fmt.Errorf("%s is answered %d %q", url, status, text)
	}
	return nil
}
