package apikey_test

import (
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/poolkeeper/poolkeeper/registry/apikey"
)

// many keys are what a large installation has.
const many = 200_000

// loaded is a Ring of many keys, and one of them.
func loaded(tb testing.TB) (*apikey.Ring, made, apikey.Pepper) {
	tb.Helper()
	p := apikey.NewPepper()
	one := make1(p, "acme")
	all := make([]apikey.Stored, many)
	for i := range all {
		_, id := apikey.Generate()
		all[i] = apikey.Stored{Key: apikey.Key{ID: strings.Clone(id), Tenant: one.Tenant, Scope: apikey.ScopeWrite, Version: uint64(i)}, Hash: apikey.Hash{byte(i)}}
	}
	all[many/2] = one.Stored
	r := apikey.NewRing()
	r.Season(p)
	r.Load(all)
	return r, one, p
}

func BenchmarkVerify(b *testing.B) {
	r, one, _ := loaded(b)
	unknown, _ := apikey.Generate()
	for _, test := range []struct {
		name, text string
		want       error
	}{
		{"known", one.text, nil},
		{"unknown-id", unknown.Reveal(), apikey.ErrUnknown},
		{"wrong-secret", one.text[:47] + flipped(one.text[47:]), apikey.ErrUnknown},
	} {
		now := time.Now()
		b.Run(test.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := r.Verify(test.text, now); !errors.Is(err, test.want) {
					b.Fatal(err)
				}
			}
		})
		b.Run(test.name+"-parallel", func(b *testing.B) {
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if _, err := r.Verify(test.text, now); !errors.Is(err, test.want) {
						b.Error(err)
					}
				}
			})
		})
	}
}

func BenchmarkApplyOne(b *testing.B) {
	r, one, _ := loaded(b)
	b.ReportAllocs()
	for b.Loop() {
		r.Apply([]apikey.Stored{one.Stored}, nil)
	}
}

func BenchmarkUses(b *testing.B) {
	r, one, _ := loaded(b)
	for b.Loop() {
		_, _ = r.Verify(one.text, time.Now())
		r.Told(r.Uses())
	}
}

// BenchmarkMemory reports the bytes that a key costs.
func BenchmarkMemory(b *testing.B) {
	var before, after runtime.MemStats
	for b.Loop() {
		runtime.GC()
		runtime.ReadMemStats(&before)
		r, _, _ := loaded(b)
		runtime.GC()
		runtime.ReadMemStats(&after)
		if r.Len() != many {
			b.Fatal(r.Len())
		}
		runtime.KeepAlive(r)
	}
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/many, "B/key")
}
