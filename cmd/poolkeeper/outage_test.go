package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/poolkeeper/poolkeeper/pools"
	"github.com/poolkeeper/poolkeeper/registry"
)

// edited changes a configuration file.
func edited(t *testing.T, path string, pairs ...string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	write(t, path, strings.NewReplacer(pairs...).Replace(string(text)))
}

func TestASmallBudgetHasRoomForTheControlDatabaseAndOnboarding(t *testing.T) {
	t.Parallel()
	for _, budget := range []int{5, 8} {
		t.Run(strconv.Itoa(budget), func(t *testing.T) {
			t.Parallel()
			path, _ := controlledConfig(t, 30*time.Second)
			edited(t, path, "replicas: 2", fmt.Sprintf("budget: %d", budget))
			r := startReplica(t, path)
			ids := make([]string, 4)
			failed := make(chan string, len(ids))
			for i := range ids {
				ids[i] = fmt.Sprintf("small%d%d%s", budget, i, strconv.FormatInt(time.Now().UnixNano(), 36))
				go func() {
					status, answer := r.call(t, http.MethodPost, "/v1/tenants", `{"id":"`+ids[i]+`","cluster":"main"}`)
					if status != http.StatusCreated {
						failed <- fmt.Sprintf("%d %v", status, answer)
						return
					}
					if status, text := r.sql(t, ids[i]); status != http.StatusOK {
						failed <- fmt.Sprintf("%d %s", status, text)
						return
					}
					failed <- ""
				}()
			}
			for range ids {
				if text := <-failed; text != "" {
					t.Error(text)
				}
			}
			for _, id := range ids {
				r.call(t, http.MethodPost, "/v1/tenants/"+id+"/retire", `{"export":false}`)
				r.call(t, http.MethodDelete, "/v1/tenants/"+id+"?confirm="+id+"&export=false", "")
			}
			if t.Failed() {
				t.Log(r.stderr.String())
			}
		})
	}
}

func TestAnOperationThatAStopCutsShortIsToldAsInterrupted(t *testing.T) {
	t.Parallel()
	path, dsn := controlledConfig(t, 30*time.Second)
	slow := t.TempDir()
	write(t, filepath.Join(slow, "00001_slow.sql"), "-- +goose Up\nSELECT pg_sleep(120);\n")
	demo, err := filepath.Abs("demo/tenant")
	if err != nil {
		t.Fatal(err)
	}
	edited(t, path, demo, slow)
	p := start(t, "serve", "--config", path)
	r := p.replica()
	id := "cut" + strconv.FormatInt(time.Now().UnixNano(), 36)
	if status, answer := send(t, request{
		method: http.MethodPost, url: "http://" + r.Admin + "/v1/tenants", body: `{"id":"` + id + `","cluster":"main"}`,
		header: map[string]string{"Content-Type": "application/json", "Prefer": "wait=0"},
	}); status != http.StatusAccepted {
		t.Fatalf("added: %d %s", status, answer)
	}
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	var state, step, reason string
	operation := func() {
		t.Helper()
		err := conn.QueryRow(t.Context(), "SELECT o.state, o.step, t.reason FROM poolkeeper.operations o JOIN poolkeeper.tenants t ON t.id = o.tenant").Scan(&state, &step, &reason)
		if err != nil {
			t.Fatal(err)
		}
	}
	within(t, patience, "the migration to be under way", func() bool { operation(); return strings.Contains(step, "00001_slow") || step == "tables" })
	p.stop(t)
	if operation(); state != "interrupted" || strings.Contains(reason, "closed") {
		t.Errorf("the operation is %s at %q; the tenant says %q\n%s", state, step, reason, p.stderr.String())
	}
	var replicas int
	if err := conn.QueryRow(t.Context(), "SELECT count(*) FROM poolkeeper.replicas").Scan(&replicas); err != nil || replicas != 0 {
		t.Errorf("%d replicas are left, %v", replicas, err)
	}
}

// What an operation does until it ends needs the pools' budgets.
func TestOperationsEndBeforeThePoolsAreClosed(t *testing.T) {
	t.Parallel()
	cfg := pools.Defaults()
	cfg.Clusters = map[string]registry.Cluster{"main": {DSN: registry.NewSecret("postgres://app@127.0.0.1/app"), Budget: 5}}
	tenants, err := registry.NewStatic(cfg.Clusters)
	if err != nil {
		t.Fatal(err)
	}
	keeper, err := pools.New(cfg, tenants, nil)
	if err != nil {
		t.Fatal(err)
	}
	ended := false
	last := lastKeeper{keeper, func() {
		release, err := keeper.Reserve(t.Context(), "main")
		if err != nil {
			t.Fatalf("an operation that ends: %v", err)
		}
		release()
		ended = true
	}}
	if err := last.Close(t.Context()); err != nil || !ended {
		t.Errorf("closed: %v; the operations have ended: %t", err, ended)
	}
	if _, err := keeper.Reserve(t.Context(), "main"); !errors.Is(err, pools.ErrClosed) {
		t.Errorf("after that: %v", err)
	}
}
