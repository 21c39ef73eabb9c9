package onboard_test

import (
	"errors"
	"syscall"
	"testing"

	"github.com/poolkeeper/poolkeeper/onboard"
	"github.com/poolkeeper/poolkeeper/registry"
)

// full is a disk without room.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, syscall.ENOSPC }

// The program of the dump is told only that nobody reads any more.
func TestAnExportToAFullDiskSaysSo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	// More than a pipe holds, on every version of the server.
	p := w.provisioner(onboard.Config{PgDump: program(t, `if [ "$1" = --version ]; then echo "pg_dump (PostgreSQL) 99.1"; else exec cat /dev/zero; fi`)})
	a := w.tenant("a", registry.IsolationSchema)
	w.provision(p, a)
	if _, err := p.Export(t.Context(), a, full{}); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("got %v", err)
	}
}
