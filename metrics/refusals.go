package metrics

import (
	"context"
	"errors"

	"github.com/poolkeeper/poolkeeper/pools"
	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/apikey"
	"github.com/poolkeeper/poolkeeper/router"
	"github.com/poolkeeper/poolkeeper/router/admission"
	"github.com/poolkeeper/poolkeeper/router/token"
)

// An outcome is what a tenant's request for a connection came to.
type outcome int

// The outcomes. Refusals with the same remedy share one: it costs a series
// per tenant, a reason does not.
const (
	outcomeOK       outcome = iota // it got a connection
	outcomeLimited                 // the tenant's own limit
	outcomeCapacity                // the cluster's or the process's limit, or its end
	outcomeDatabase                // the tenant's database, or its record
	outcomeCanceled                // the caller did not wait
	outcomeRefused                 // the tenant may not, or anything else
	numOutcomes
)

// String is the outcome's label.
func (o outcome) String() string {
	return [numOutcomes]string{"ok", "limited", "capacity", "database", "canceled", "refused"}[o]
}

// A refusal is one row of the table of reasons.
type refusal struct {
	err     error
	reason  string
	outcome outcome
}

// refusals is the table of reasons, one per typed error. The first row that
// matches counts: an error that others wrap stands below them, and the ends of
// contexts, which anything may wrap, stand last. The budget's stand above
// ErrDatabase: exhaustion is no outage, wherever it was met. The row without an
// error is for all others.
func refusals() []refusal { return append(credentialRefusals(), otherRefusals()...) }

// credentialRefusals are those of credentials: each stands above what it is
// wrapped in.
func credentialRefusals() []refusal {
	return []refusal{
		{apikey.ErrMalformed, "key_malformed", outcomeRefused},
		{apikey.ErrUnknown, "key_unknown", outcomeRefused},
		{apikey.ErrExpired, "key_expired", outcomeRefused},
		{apikey.ErrRevoked, "key_revoked", outcomeRefused},
		{token.ErrMalformed, "token_malformed", outcomeRefused},
		{token.ErrSignature, "token_signature", outcomeRefused},
		{token.ErrExpired, "token_expired", outcomeRefused},
		{token.ErrClaims, "token_claims", outcomeRefused},
		{token.ErrEarlier, "token_earlier", outcomeRefused},
		{token.ErrKeys, "token_keys_unavailable", outcomeCapacity},
		{router.ErrCredential, "credential", outcomeRefused},
	}
}

func otherRefusals() []refusal {
	return []refusal{
		{router.ErrProbing, "probing", outcomeRefused},
		{admission.ErrRate, "rate", outcomeLimited},
		{admission.ErrInFlight, "in_flight", outcomeLimited},
		{admission.ErrStore, "admission_store", outcomeCapacity},
		{router.ErrMalformed, "malformed", outcomeRefused},
		{router.ErrReserved, "reserved", outcomeRefused},
		{router.ErrConflict, "conflict", outcomeRefused},
		{router.ErrUntrusted, "untrusted", outcomeRefused},
		{router.ErrRefused, "refused", outcomeRefused},
		{router.ErrNoTenant, "no_tenant", outcomeRefused},
		{registry.ErrInvalidID, "invalid_id", outcomeRefused},
		{registry.ErrUnknown, "unknown", outcomeRefused},
		{registry.ErrInactive, "inactive", outcomeRefused},
		{registry.ErrNoReader, "no_reader", outcomeRefused},
		{registry.ErrUnavailable, "registry_unavailable", outcomeCapacity},
		{pools.ErrPreparing, "preparing", outcomeDatabase},
		{pools.ErrPrepare, "not_prepared", outcomeDatabase},
		{pools.ErrBudget, "budget", outcomeCapacity},
		{pools.ErrClusterQueue, "cluster_queue", outcomeCapacity},
		{pools.ErrServerFull, "server_full", outcomeCapacity},
		{pools.ErrPin, "pin", outcomeDatabase},
		{pools.ErrDatabase, "database", outcomeDatabase},
		{pools.ErrRecord, "record", outcomeDatabase},
		{pools.ErrTenantQueue, "tenant_queue", outcomeLimited},
		{pools.ErrTenantTimeout, "tenant_timeout", outcomeLimited},
		{pools.ErrPoolLimit, "pool_limit", outcomeCapacity},
		{pools.ErrClosed, "closed", outcomeCapacity},
		{pools.ErrDrained, "drained", outcomeCapacity},
		{pools.ErrReleased, "released", outcomeRefused},
		{pools.ErrNotWalled, "not_walled", outcomeRefused},
		{context.Canceled, "canceled", outcomeCanceled},
		{context.DeadlineExceeded, "deadline", outcomeCanceled},
		{nil, "other", outcomeRefused},
	}
}

// refused counts err under its reason and returns what it means for a tenant.
func (m *Metrics) refused(err error) outcome {
	row := m.refusals[len(m.refusals)-1]
	for _, r := range m.refusals[:len(m.refusals)-1] {
		if errors.Is(err, r.err) {
			row = r
			break
		}
	}
	m.reasons.at(row.reason).Inc()
	return row.outcome
}
