package handoff_test

import (
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/poolkeeper/poolkeeper/pools/handoff"
)

// What a connect costs, on a server of this machine: a new connection, and
// one that changes hands. "lean" has small caches of statements.
func BenchmarkConnect(b *testing.B) {
	s := newServer(b)
	for _, mode := range []string{"sslmode=disable", "sslmode=require"} {
		lean := mode + "&statement_cache_capacity=16&description_cache_capacity=0"
		b.Run("new/"+mode, func(b *testing.B) {
			cfg := config(b, s.dsn(lean))
			for b.Loop() {
				c, err := pgx.ConnectConfig(b.Context(), cfg)
				if err != nil {
					b.Fatal(err)
				}
				b.StopTimer()
				_ = c.Close(b.Context())
				b.StartTimer()
			}
		})
		b.Run("handoff/"+mode, func(b *testing.B) { benchmarkHandoff(b, config(b, s.dsn(mode))) })
		b.Run("handoff-lean/"+mode, func(b *testing.B) { benchmarkHandoff(b, config(b, s.dsn(lean))) })
	}
}

func benchmarkHandoff(b *testing.B, cfg *pgx.ConnConfig) {
	c := connect(b, cfg)
	b.ReportAllocs()
	for b.Loop() {
		h, err := handoff.Take(b.Context(), c)
		if err != nil {
			b.Fatal(err)
		}
		receiver := cfg.Copy() // as pgxpool's BeforeConnect gets
		h.Replay(receiver, plainDial)
		if c, err = pgx.ConnectConfig(b.Context(), receiver); err != nil {
			b.Fatal(err)
		}
	}
	b.StopTimer()
	_ = c.Close(b.Context())
}

// What the handoff adds to each query, compared with the bare connection.
func BenchmarkQuery(b *testing.B) {
	s := newServer(b)
	c := connect(b, config(b, s.dsn()))
	query := func(b *testing.B) {
		for b.Loop() {
			if err := c.PgConn().Ping(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.Run("before", query)
	c = hand(b, c, config(b, s.dsn()))
	b.Run("after", query)
}
