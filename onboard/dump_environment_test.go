package onboard_test

import (
	"maps"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/poolkeeper/poolkeeper/onboard"
)

func TestParametersOfBothKindsOfConnectionStringsAreRead(t *testing.T) {
	t.Parallel()
	for dsn, want := range map[string]map[string]string{
		"postgres://u:p@h:1,i:2/db?sslmode=verify-full&sslrootcert=%2Fa%20b": {"sslmode": "verify-full", "sslrootcert": "/a b"},
		"postgresql:///db": {},
		`host=h user='a b' password = 'it\'s \\' sslmode=require`: {"host": "h", "user": "a b", "password": `it's \`, "sslmode": "require"},
		"": {},
	} {
		if got := onboard.Parameters(dsn); !maps.Equal(got, want) {
			t.Errorf("%s: %q, want %q", dsn, got, want)
		}
	}
}

func FuzzParametersAreWhatTheDriverReads(f *testing.F) {
	f.Add("host=h user='a b' sslmode=disable")
	f.Add(`user=a\ b host='\\h'`)
	f.Add("postgres://u@h/d?sslmode=disable&application_name=x")
	f.Fuzz(func(t *testing.T, dsn string) {
		got := onboard.Parameters(dsn) // never panics or hangs
		cfg, err := pgx.ParseConfig(dsn)
		if err != nil || got["application_name"] == "" {
			return
		}
		if want := cfg.RuntimeParams["application_name"]; got["application_name"] != want {
			t.Errorf("%q: application_name is %q, the driver reads %q", dsn, got["application_name"], want)
		}
	})
}
