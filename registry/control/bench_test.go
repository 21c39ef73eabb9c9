package control_test

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/seal"
)

// crowd fills the table with tenants as a busy installation has them: a login
// and a sealed password each, a plan, two labels.
func (w *world) crowd(many int) {
	w.Helper()
	keys, err := seal.Parse(w.keyset)
	must(w, err)
	conn := w.conn()
	_, err = conn.Exec(w.Context(), "alter table poolkeeper.tenants disable trigger tenants_apart")
	must(w, err)
	i := 0
	_, err = conn.CopyFrom(w.Context(), pgx.Identifier{"poolkeeper", "tenants"},
		[]string{"id", "name", "state", "plan", "cluster", "isolation", "schema_name", "login", "password", "labels"},
		pgx.CopyFromFunc(func() ([]any, error) {
			if i++; i > many {
				return nil, nil
			}
			name := fmt.Sprintf("customer-%06d", i)
			password, err := keys.Seal(id(name), "password", registry.NewSecret("0123456789abcdef"+name))
			schema := registry.DerivedName(id(name), "")
			return []any{
				name, fmt.Sprintf("Customer %d", i), "active", "gold", "main", "schema", schema, schema + "_login", password,
				map[string]string{"region": "eu-1", "tier": fmt.Sprint(i % 4)},
			}, err
		}))
	must(w, err)
	_, err = conn.Exec(w.Context(), "alter table poolkeeper.tenants enable trigger tenants_apart")
	must(w, err)
	_, err = conn.Exec(w.Context(), "vacuum analyze poolkeeper.tenants")
	must(w, err)
}

func heap() uint64 {
	var m runtime.MemStats
	for range 3 {
		runtime.GC()
	}
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// BenchmarkLoad reports how long 100,000 records take to be read, unsealed and
// taken into memory, and what one costs there.
func BenchmarkLoad(b *testing.B) {
	const many = 100_000
	w := newWorld(b)
	w.open()
	w.crowd(many)
	var bytes uint64
	for b.Loop() {
		b.StopTimer()
		before := heap()
		d := w.open()
		b.StartTimer()
		must(b, d.Load(b.Context()))
		b.StopTimer()
		bytes = heap() - before
		if n := d.Count()[registry.StatusActive]; n != many {
			b.Fatalf("%d tenants are served", n)
		}
		d.Close()
		b.StartTimer()
	}
	b.ReportMetric(float64(bytes)/many, "B/tenant")
}
