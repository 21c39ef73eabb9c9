package main

import (
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// added is what one of many that add a tenant is told.
type added struct {
	status int
	code   any
}

// addAtOnce has many clients add the same tenant.
func addAtOnce(t *testing.T, r *replica, id string, clients int) map[added]int {
	t.Helper()
	var group sync.WaitGroup
	var mu sync.Mutex
	told := map[added]int{}
	begin := make(chan struct{})
	for range clients {
		group.Go(func() {
			<-begin
			status, answer := r.call(t, http.MethodPost, "/v1/tenants", `{"id":"`+id+`","cluster":"main"}`)
			mu.Lock()
			defer mu.Unlock()
			told[added{status, answer["code"]}]++
		})
	}
	close(begin)
	group.Wait()
	return told
}

// leftovers are roles, schemas and records that have the tenant's name.
func leftovers(t *testing.T, id string, dsns ...string) []string {
	t.Helper()
	var left []string
	for _, dsn := range dsns {
		conn, err := pgx.Connect(t.Context(), dsn)
		if err != nil {
			t.Fatal(err)
		}
		var found []string
		err = conn.QueryRow(t.Context(), `SELECT array(SELECT 'role ' || rolname FROM pg_roles WHERE rolname LIKE $1
			UNION ALL SELECT 'schema ' || nspname FROM pg_namespace WHERE nspname LIKE $1
			UNION ALL SELECT 'database ' || datname FROM pg_database WHERE datname LIKE $1)`, id+"%").Scan(&found)
		if err != nil {
			t.Fatal(err)
		}
		if err := conn.Close(t.Context()); err != nil {
			t.Error(err)
		}
		left = append(left, found...)
	}
	return left
}

func TestOfTwentyClientsThatAddTheSameTenantOneWinsAndNothingIsLeftOver(t *testing.T) {
	t.Parallel()
	path, control := controlledConfig(t, 30*time.Second)
	r := startReplica(t, path)
	id := "same" + strconv.FormatInt(time.Now().UnixNano(), 36)
	told := addAtOnce(t, r, id, 20)
	if told[added{http.StatusCreated, nil}] != 1 || told[added{http.StatusConflict, "tenant_exists"}] != 19 {
		t.Fatalf("%v", told)
	}
	if status, body := r.sql(t, id); status != http.StatusOK {
		t.Errorf("the one that won is not served: %d %s", status, body)
	}
	main := mainDSN(t, path)
	if left := leftovers(t, id, main); len(left) != 3 {
		t.Errorf("a tenant is a schema, an owner and a login: %v", left)
	}
	r.must(t, http.MethodPost, "/v1/tenants/"+id+"/retire", `{"export":false}`)
	r.must(t, http.MethodDelete, "/v1/tenants/"+id+"?confirm="+id+"&export=false", "")
	if left := leftovers(t, id, main, control); len(left) > 0 {
		t.Errorf("left over: %v", left)
	}
	conn, err := pgx.Connect(t.Context(), control)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(t.Context()) }()
	for table, column := range map[string]string{"tenants": "id", "locks": "tenant"} {
		var n int
		if err := conn.QueryRow(t.Context(), fmt.Sprintf("SELECT count(*) FROM poolkeeper.%s WHERE %s = $1", table, column), id).Scan(&n); err != nil || n > 0 {
			t.Errorf("%d rows left in %s: %v", n, table, err)
		}
	}
	if told := addAtOnce(t, r, id, 2); told[added{http.StatusCreated, nil}] != 1 {
		t.Errorf("the id cannot be used again: %v", told)
	}
	r.must(t, http.MethodPost, "/v1/tenants/"+id+"/retire", `{"export":false}`)
	r.must(t, http.MethodDelete, "/v1/tenants/"+id+"?confirm="+id+"&export=false", "")
}

// mainDSN is the administrator's, of the cluster of a configuration.
func mainDSN(t *testing.T, path string) string {
	t.Helper()
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(whole), "admin: \"")
	dsn, _, _ := strings.Cut(text, "\"")
	if !strings.HasPrefix(dsn, "postgres") {
		t.Fatalf("no administrator in %s", path)
	}
	return dsn
}
