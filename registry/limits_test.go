package registry_test

import (
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/sourcetest"
)

// anyLimits draws limits that are right, most of them zero.
func anyLimits(t *rapid.T, from string) registry.Limits {
	count := func(field string, most int) int {
		return rapid.OneOf(rapid.Just(0), rapid.IntRange(1, most)).Draw(t, from+" "+field)
	}
	duration := func(field string, most time.Duration) time.Duration {
		return time.Duration(count(field, int(most/time.Millisecond))) * time.Millisecond
	}
	bytes := func(field string) int64 {
		return rapid.OneOf(rapid.Just(int64(0)), rapid.Int64Range(1<<10, 1<<30)).Draw(t, from+" "+field)
	}
	return registry.Limits{
		MaxConns: count("max_conns", 10_000), Queue: count("queue", 1_000_000), Weight: count("weight", 1000),
		StatementTimeout:         duration("statement_timeout", time.Hour),
		IdleInTransactionTimeout: duration("idle_in_transaction_timeout", time.Hour),
		IdleAfter:                duration("idle_after", time.Hour), QueueTimeout: duration("queue_timeout", time.Hour),
		Rate:  rapid.OneOf(rapid.Just(0.0), rapid.Float64Range(math.SmallestNonzeroFloat64, 1e6)).Draw(t, from+" rate"),
		Burst: count("burst", 1_000_000), InFlight: count("in_flight", 1_000_000),
		MaxBody: bytes("max_body"), MaxResult: bytes("max_result"), CacheFor: duration("cache_for", time.Hour),
	}
}

// written is what a person would write for limits; zeros are left out.
func written(l registry.Limits) string {
	var pairs []string
	add := func(key, value string, zero bool) {
		if !zero {
			pairs = append(pairs, key+": "+value)
		}
	}
	for key, n := range map[string]int{"max_conns": l.MaxConns, "queue": l.Queue, "weight": l.Weight, "burst": l.Burst, "in_flight": l.InFlight} {
		add(key, fmt.Sprint(n), n == 0)
	}
	for key, d := range map[string]time.Duration{
		"statement_timeout": l.StatementTimeout, "idle_in_transaction_timeout": l.IdleInTransactionTimeout,
		"idle_after": l.IdleAfter, "queue_timeout": l.QueueTimeout, "cache_for": l.CacheFor,
	} {
		add(key, d.String(), d == 0)
	}
	for key, n := range map[string]int64{"max_body": l.MaxBody, "max_result": l.MaxResult} {
		add(key, registry.FormatSize(n), n == 0)
	}
	add("rate", fmt.Sprintf("%.17g", l.Rate), l.Rate == 0)
	return "{" + strings.Join(pairs, ", ") + "}"
}

// field by field: what the tenant gives counts, else what its plan gives.
func TestEveryLimitIsTheTenantsOwnOrItsPlans(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		plan, own := anyLimits(t, "plan"), anyLimits(t, "own")
		text := fmt.Sprintf("plans: {p: {cluster: main, isolation: schema, limits: %s}}\ntenants: {a: {plan: p, limits: %s}}", written(plan), written(own))
		declared, plans, err := registry.ParseDeclared(documents(text), sourcetest.Clusters())
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		tenants, err := registry.Parse("f", []byte(text), sourcetest.Clusters())
		if err != nil {
			t.Fatal(err)
		}
		if plans["p"].Limits != plan || declared[0].Own != own || declared[0].Limits != tenants[0].Limits {
			t.Fatalf("plan %+v\nown %+v\nin force %+v\nread from %s", plans["p"].Limits, declared[0].Own, tenants[0].Limits, text)
		}
		got, first, second := reflect.ValueOf(tenants[0].Limits), reflect.ValueOf(own), reflect.ValueOf(plan)
		for i := range got.NumField() {
			want := first.Field(i)
			if want.IsZero() {
				want = second.Field(i)
			}
			if !got.Field(i).Equal(want) {
				t.Fatalf("%s is %v, want %v", got.Type().Field(i).Name, got.Field(i), want)
			}
		}
	})
}

// A pool need not be replaced for any of these.
func TestALimitThatARunningPoolFollowsIsToldAsSuch(t *testing.T) {
	t.Parallel()
	for field, change := range map[string]func(*registry.Limits){
		"queue_timeout": func(l *registry.Limits) { l.QueueTimeout = time.Second },
		"rate":          func(l *registry.Limits) { l.Rate = 0.5 },
		"burst":         func(l *registry.Limits) { l.Burst = 5 },
		"in_flight":     func(l *registry.Limits) { l.InFlight = 5 },
		"max_body":      func(l *registry.Limits) { l.MaxBody = 1 << 20 },
		"max_result":    func(l *registry.Limits) { l.MaxResult = 1 << 20 },
		"cache_for":     func(l *registry.Limits) { l.CacheFor = time.Minute },
	} {
		t.Run(field, func(t *testing.T) {
			t.Parallel()
			static := newStatic(t, tenant("acme"))
			r := newRegistry(t, static, nil)
			var told []registry.ChangeKind
			r.Subscribe(func(c registry.Change) {
				if c.ID == acme {
					told = append(told, c.Kind)
				}
			})
			running(t, r, static, tenant("acme"))
			next := tenant("acme")
			change(&next.Limits)
			must(t, static.Replace(next))
			if fmt.Sprint(told) != "[limits]" {
				t.Errorf("told %v", told)
			}
		})
	}
}

func TestALimitThatIsOutOfBoundsIsNamed(t *testing.T) {
	t.Parallel()
	for want, l := range map[string]registry.Limits{
		"rate: is NaN; it must be a number":                         {Rate: math.NaN()},
		"rate: is -1; it must be a number":                          {Rate: -1},
		"rate: is 1.000001e+06; it must be a number":                {Rate: 1_000_001},
		"rate: is +Inf; it must be a number":                        {Rate: math.Inf(1)},
		"burst: is -1; it must be 1 to 1000000":                     {Burst: -1},
		"in_flight: is 1000001; it must be 1 to 1000000":            {InFlight: 1_000_001},
		"max_body: is 1023; it must be 1KiB to 1GiB":                {MaxBody: 1023},
		"max_result: is 1025MiB; it must be 1KiB to 1GiB":           {MaxResult: 1025 << 20},
		"cache_for: is 1h0m0.001s; it must be 1ms to 1h0m0s":        {CacheFor: time.Hour + time.Millisecond},
		"cache_for: is -1ns; it must be 1ms to 1h0m0s":              {CacheFor: -1},
		"queue_timeout: is -1s; a duration cannot be negative":      {QueueTimeout: -time.Second},
		"queue_timeout: is 1µs; it must be 1ms to 576h0m0s, or 0s ": {QueueTimeout: time.Microsecond},
	} {
		bad := tenant("acme")
		bad.Limits = l
		if _, err := registry.NewStatic(sourcetest.Clusters(), bad); err == nil || !strings.HasPrefix(err.Error(), "tenants.acme.limits."+want) {
			t.Errorf("got  %v\nwant tenants.acme.limits.%s…", err, want)
		}
	}
}

func TestASizeIsReadAsItIsWritten(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int64{
		"0": 0, "1": 1, "10MiB": 10 << 20, "512KiB": 512 << 10, "2 GiB": 2 << 30, "7B": 7, "-1KiB": -1024,
		"9223372036854775807": math.MaxInt64,
	} {
		if got, ok := registry.ParseSize(text); got != want || !ok {
			t.Errorf("%q is %d, %t", text, got, ok)
		}
	}
	for _, text := range []string{"", "B", "KiB", "1.5MiB", "10MB", "1e3", "ten", "9223372036854775808", "9007199254740992KiB", "MiB10", "0x10"} {
		if got, ok := registry.ParseSize(text); ok {
			t.Errorf("%q was read as %d", text, got)
		}
	}
}

func FuzzParseSize(f *testing.F) {
	for _, text := range []string{"10MiB", "512 KiB", "1", "-3GiB", "9223372036854775807B"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		n, ok := registry.ParseSize(text)
		if !ok {
			return
		}
		if again, ok := registry.ParseSize(registry.FormatSize(n)); again != n || !ok {
			t.Errorf("%q is %d, written %s, which is %d", text, n, registry.FormatSize(n), again)
		}
	})
}
