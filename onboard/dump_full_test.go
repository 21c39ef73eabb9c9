package onboard_test

import (
	"errors"
	"syscall"
	"testing"

	"github.com/poolkeeper/poolkeeper/registry"
)

// full is a disk without room.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, syscall.ENOSPC }

// The program of the dump is told only that nobody reads any more.
func TestAnExportToAFullDiskSaysSo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.provisioner(everything(t))
	a := w.tenant("a", registry.IsolationSchema)
	w.provision(p, a)
	w.exec(w.as(a), "insert into items (name) select md5(i::text) || md5((7 * i)::text) from generate_series(1, 20000) i") // more than a pipe holds
	if _, err := p.Export(t.Context(), a, full{}); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("got %v", err)
	}
}
