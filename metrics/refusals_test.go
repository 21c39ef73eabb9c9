package metrics_test

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/poolkeeper/poolkeeper/metrics"
	"github.com/poolkeeper/poolkeeper/pools"
	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/apikey"
	"github.com/poolkeeper/poolkeeper/router"
	"github.com/poolkeeper/poolkeeper/router/admission"
	jwt "github.com/poolkeeper/poolkeeper/router/token"
)

// typed are the errors that refuse, by the name of their declaration.
var typed = map[string]struct {
	err    error
	reason string
}{
	"router.ErrMalformed":     {router.ErrMalformed, "malformed"},
	"router.ErrReserved":      {router.ErrReserved, "reserved"},
	"router.ErrConflict":      {router.ErrConflict, "conflict"},
	"router.ErrUntrusted":     {router.ErrUntrusted, "untrusted"},
	"router.ErrRefused":       {router.ErrRefused, "refused"},
	"router.ErrNoTenant":      {router.ErrNoTenant, "no_tenant"},
	"registry.ErrInvalidID":   {registry.ErrInvalidID, "invalid_id"},
	"registry.ErrUnknown":     {registry.ErrUnknown, "unknown"},
	"registry.ErrInactive":    {registry.ErrInactive, "inactive"},
	"registry.ErrUnavailable": {registry.ErrUnavailable, "registry_unavailable"},
	"pools.ErrClosed":         {pools.ErrClosed, "closed"},
	"pools.ErrPoolLimit":      {pools.ErrPoolLimit, "pool_limit"},
	"pools.ErrTenantQueue":    {pools.ErrTenantQueue, "tenant_queue"},
	"pools.ErrPreparing":      {pools.ErrPreparing, "preparing"},
	"pools.ErrPrepare":        {pools.ErrPrepare, "not_prepared"},
	"pools.ErrBudget":         {pools.ErrBudget, "budget"},
	"pools.ErrServerFull":     {pools.ErrServerFull, "server_full"},
	"pools.ErrClusterQueue":   {pools.ErrClusterQueue, "cluster_queue"},
	"pools.ErrTenantTimeout":  {pools.ErrTenantTimeout, "tenant_timeout"},
	"pools.ErrDatabase":       {&pools.DatabaseError{Tenant: acme, Err: errors.New("refused")}, "database"},
	"pools.ErrPin":            {&pools.DatabaseError{Tenant: acme, Err: pools.ErrPin}, "pin"},
	"pools.ErrRecord":         {pools.ErrRecord, "record"},
	"pools.ErrDrained":        {pools.ErrDrained, "drained"},
	"pools.ErrReleased":       {pools.ErrReleased, "released"},
	"registry.ErrNoReader":    {registry.ErrNoReader, "no_reader"},
	"router.ErrCredential":    {router.ErrCredential, "credential"},
	"router.ErrProbing":       {router.ErrProbing, "probing"},
	"apikey.ErrMalformed":     {bad(apikey.ErrMalformed), "key_malformed"},
	"apikey.ErrUnknown":       {bad(apikey.ErrUnknown), "key_unknown"},
	"apikey.ErrExpired":       {bad(apikey.ErrExpired), "key_expired"},
	"apikey.ErrRevoked":       {bad(apikey.ErrRevoked), "key_revoked"},
	"token.ErrMalformed":      {bad(jwt.ErrMalformed), "token_malformed"},
	"token.ErrSignature":      {bad(jwt.ErrSignature), "token_signature"},
	"token.ErrExpired":        {bad(jwt.ErrExpired), "token_expired"},
	"token.ErrClaims":         {bad(jwt.ErrClaims), "token_claims"},
	"token.ErrEarlier":        {bad(jwt.ErrEarlier), "token_earlier"},
	"token.ErrKeys":           {jwt.ErrKeys, "token_keys_unavailable"},
	"admission.ErrRate":       {admission.ErrRate, "rate"},
	"admission.ErrInFlight":   {admission.ErrInFlight, "in_flight"},
	"admission.ErrStore":      {admission.ErrStore, "admission_store"},
	"pools.ErrNotWalled":      {pools.ErrNotWalled, "not_walled"},
}

// bad is how the router wraps what is wrong with a credential.
func bad(reason error) error { return fmt.Errorf("%w: %w", router.ErrCredential, reason) }

func reasons(t *testing.T, m *metrics.Metrics) map[string]float64 {
	t.Helper()
	got := map[string]float64{}
	for _, metric := range families(t, m)["poolkeeper_refusals_total"].GetMetric() {
		got[metric.GetLabel()[0].GetValue()] = metric.GetCounter().GetValue()
	}
	return got
}

func TestEveryTypedErrorHasAReasonOfItsOwn(t *testing.T) {
	t.Parallel()
	used := map[string]string{}
	for name, c := range typed {
		if other, taken := used[c.reason]; taken {
			t.Errorf("%s and %s share the reason %s", name, other, c.reason)
		}
		used[c.reason] = name
		m := metrics.New(metrics.Defaults(), metrics.Build{})
		m.Acquired(acme, "main", pools.StartWarm, 0, fmt.Errorf("tenant acme: %w", c.err))
		if got := reasons(t, m); got[c.reason] != 1 {
			t.Errorf("%s is not counted as %s: %v", name, c.reason, got)
		}
	}
}

// noRefusals are mistakes of a program and errors that no Observer gets.
var noRefusals = []string{"router.ErrNoVisit", "router.ErrVisitClosed", "router.ErrResultTooLarge", "pools.ErrSetting"}

// TestNoTypedErrorIsForgotten reads the declarations of the packages below.
func TestNoTypedErrorIsForgotten(t *testing.T) {
	t.Parallel()
	for _, pkg := range []string{"registry", "registry/apikey", "pools", "router", "router/admission", "router/token"} {
		for _, name := range declared(t, pkg) {
			if _, ok := typed[name]; !ok && !slices.Contains(noRefusals, name) {
				t.Errorf("%s has no reason in refusals()", name)
			}
		}
	}
}

// declared lists the exported error variables of a package as pkg.Err.
func declared(t *testing.T, pkg string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", pkg, "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no files of %s: %v", pkg, err)
	}
	var names []string
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if spec, ok := n.(*ast.ValueSpec); ok {
				for _, ident := range spec.Names {
					if ident.IsExported() && strings.HasPrefix(ident.Name, "Err") {
						names = append(names, path.Base(pkg)+"."+ident.Name)
					}
				}
			}
			return true
		})
	}
	return names
}

func TestTheEndOfAContextIsTheReasonOnlyWhenNothingElseIs(t *testing.T) {
	t.Parallel()
	cases := []struct {
		err    error
		reason string
	}{
		{fmt.Errorf("waiting: %w", context.Canceled), "canceled"},
		{fmt.Errorf("waiting: %w", context.DeadlineExceeded), "deadline"},
		{&pools.DatabaseError{Tenant: acme, Err: context.DeadlineExceeded}, "database"},
		{&pools.DatabaseError{Tenant: acme, Err: pools.ErrBudget}, "budget"},
		{&pools.DatabaseError{Tenant: acme, Err: pools.ErrClusterQueue}, "cluster_queue"},
		{errors.Join(registry.ErrUnavailable, context.Canceled), "registry_unavailable"},
		{errors.New("something new"), "other"},
	}
	for _, c := range cases {
		m := metrics.New(metrics.Defaults(), metrics.Build{})
		m.Leased(acme, "", pools.OutcomeRefused, c.err)
		if got := reasons(t, m); got[c.reason] != 1 {
			t.Errorf("%v is not counted as %s: %v", c.err, c.reason, got)
		}
	}
}
