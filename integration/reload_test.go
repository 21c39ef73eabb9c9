package integration_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/poolkeeper/poolkeeper/internal/pgtest"
	"github.com/poolkeeper/poolkeeper/pools"
	"github.com/poolkeeper/poolkeeper/registry"
)

// written is a fleet whose records come from a file that the test edits.
type written struct {
	*fleet
	file   *registry.File
	path   string
	record *registry.Tenant
}

func newWritten(t *testing.T) *written {
	t.Helper()
	server := pgtest.Shared()
	w := &written{fleet: &fleet{server: server, database: server.Database(t)}, path: filepath.Join(t.TempDir(), "tenants.yaml")}
	w.shared = w.database + "_app"
	w.prepare(t)
	w.record = w.create(t, "own-0", "own")
	w.write(t, "", "10s")
	var err error
	w.file, err = registry.NewFile(registry.FileConfig{
		Path:     w.path,
		Clusters: map[string]registry.Cluster{"main": {DSN: registry.NewSecret(server.DSN(w.database, w.shared, password))}},
		Poll:     time.Hour,
	})
	if err != nil {
		t.Fatal(err)
	}
	w.source = w.file
	w.start(t, func(c *pools.Config) { c.MaxConns = 2 }, nil)
	return w
}

// write replaces the file; extra are further lines of the record.
func (w *written) write(t *testing.T, extra, timeout string) {
	t.Helper()
	text := fmt.Sprintf(`tenants:
  own-0:
    cluster: main
    isolation: schema
    schema: %s
    login: %s
    password: %s
    limits: {statement_timeout: %s}
%s`, w.record.Schema, w.record.Login, password, timeout, extra)
	if err := os.WriteFile(w.path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (w *written) timeout(t *testing.T) string {
	t.Helper()
	l := w.lease(t, "own-0")
	defer l.Release()
	var got string
	if err := l.QueryRow(t.Context(), "SHOW statement_timeout").Scan(&got); err != nil {
		t.Fatal(err)
	}
	return got
}

// Criterion: a changed record gives new connections the new settings while
// running statements finish on the old; suspension and removal refuse at
// once; a broken file changes nothing and says which line.
func TestAnEditedFileIsFollowedWithoutHarmToWhatRuns(t *testing.T) {
	t.Parallel()
	w := newWritten(t)
	if got := w.timeout(t); got != "10s" {
		t.Fatalf("statement_timeout is %s", got)
	}
	old := w.lease(t, "own-0")
	defer old.Release()
	running := make(chan error, 1)
	c, err := old.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		defer c.Release()
		var setting string
		err := c.QueryRow(t.Context(), "SELECT current_setting('statement_timeout') FROM pg_sleep(0.5)").Scan(&setting)
		if err == nil && setting != "10s" {
			err = errors.New("it runs with " + setting)
		}
		running <- err
	}()
	w.write(t, "", "20s")
	if err := w.file.Reload(); err != nil {
		t.Fatal(err)
	}
	if got := w.timeout(t); got != "20s" {
		t.Errorf("after the change statement_timeout is %s", got)
	}
	if err := <-running; err != nil {
		t.Errorf("the running statement: %v", err)
	}
	w.breakFile(t)
	w.suspend(t)
}

func (w *written) breakFile(t *testing.T) {
	t.Helper()
	w.write(t, "    isolaton: row\n", "1s")
	err := w.file.Reload()
	if err == nil || !strings.Contains(err.Error(), "tenants.yaml:9") || !strings.Contains(err.Error(), "isolaton") {
		t.Errorf("a broken file: %v", err)
	}
	if got := w.timeout(t); got != "20s" {
		t.Errorf("after a broken file statement_timeout is %s", got)
	}
}

func (w *written) suspend(t *testing.T) {
	t.Helper()
	w.write(t, "    status: suspended\n", "20s")
	if err := w.file.Reload(); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Lease(t.Context(), id("own-0")); !errors.Is(err, registry.ErrInactive) {
		t.Errorf("a suspended tenant: %v", err)
	}
	if err := os.WriteFile(w.path, []byte("tenants: {}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := w.file.Reload(); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Lease(t.Context(), id("own-0")); !errors.Is(err, registry.ErrUnknown) {
		t.Errorf("a removed tenant: %v", err)
	}
}
