package sqlwire_test

import (
	"errors"
	"maps"
	"net/http"
	"testing"

	"github.com/poolkeeper/poolkeeper/server/sqlwire"
)

func header(pairs ...string) http.Header {
	h := http.Header{}
	for i := 0; i < len(pairs); i += 2 {
		h.Set(pairs[i], pairs[i+1])
	}
	return h
}

func TestOptionsComeFromHeaders(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		in   http.Header
		want sqlwire.Options
		echo http.Header
	}{
		"none": {header(), sqlwire.Options{}, header()},
		"the client's": {
			header("neon-raw-text-output", "true", "neon-array-mode", "true"),
			sqlwire.Options{RawText: true, ArrayMode: true},
			header(),
		},
		"a batch's": {
			header("neon-batch-isolation-level", "Serializable", "neon-batch-read-only", "true", "neon-batch-deferrable", "true"),
			sqlwire.Options{Batch: sqlwire.TxOptions{Isolation: "Serializable", ReadOnly: true, Deferrable: true}},
			header("Neon-Batch-Isolation-Level", "Serializable", "Neon-Batch-Read-Only", "true", "Neon-Batch-Deferrable", "true"),
		},
		"false is not echoed": {
			header("Neon-Batch-Read-Only", "false", "Neon-Batch-Deferrable", "false", "Neon-Batch-Isolation-Level", "ReadUncommitted"),
			sqlwire.Options{Batch: sqlwire.TxOptions{Isolation: "ReadUncommitted"}},
			header("Neon-Batch-Isolation-Level", "ReadUncommitted"),
		},
		"only exactly true counts": {
			header("Neon-Raw-Text-Output", "TRUE", "Neon-Array-Mode", "1", "Neon-Batch-Read-Only", "yes", "Neon-Batch-Deferrable", " true"),
			sqlwire.Options{},
			header(),
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := sqlwire.ParseOptions(tt.in)
			if err != nil || got != tt.want {
				t.Fatalf("got %+v, %v", got, err)
			}
			echo := http.Header{}
			got.Echo(echo)
			if !maps.EqualFunc(echo, tt.echo, func(a, b []string) bool { return len(a) == len(b) && a[0] == b[0] }) {
				t.Errorf("echo %v, want %v", echo, tt.echo)
			}
		})
	}
}

func TestAnIsolationLevelThatDoesNotExistIsRefused(t *testing.T) {
	t.Parallel()
	for _, level := range []string{"", "serializable", "SERIALIZABLE", "Snapshot", "Serializable; drop table x", "read committed"} {
		_, err := sqlwire.ParseOptions(header("Neon-Batch-Isolation-Level", level))
		var bad *sqlwire.BadRequestError
		if !errors.As(err, &bad) || bad.Message != "invalid isolation level" {
			t.Errorf("%q: got %v", level, err)
		}
	}
}
