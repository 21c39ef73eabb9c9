package server

import (
	"time"

	"github.com/poolkeeper/poolkeeper/registry"
)

// tenantView is a record as the admin API shows it: without its password and
// connection string, of which it only says that they are there.
type tenantView struct {
	ID          registry.ID       `json:"id"`
	Name        string            `json:"name"`
	Status      registry.Status   `json:"status"`
	Plan        string            `json:"plan,omitempty"`
	Cluster     string            `json:"cluster"`
	Isolation   string            `json:"isolation"`
	Schema      string            `json:"schema,omitempty"`
	Database    string            `json:"database,omitempty"`
	Login       string            `json:"login,omitempty"`
	OwnDSN      bool              `json:"own_dsn"`
	SharedLogin bool              `json:"shared_login"`
	DDL         bool              `json:"ddl"`
	Limits      limitsView        `json:"limits"`
	Labels      map[string]string `json:"labels,omitempty"`
	Version     uint64            `json:"version"`
}

// limitsView shows the tenant's own limits; what is absent is the default's.
type limitsView struct {
	MaxConns                 int    `json:"max_conns,omitempty"`
	Queue                    int    `json:"queue,omitempty"`
	GuaranteedConns          int    `json:"guaranteed_conns,omitempty"`
	Weight                   int    `json:"weight,omitempty"`
	StatementTimeout         string `json:"statement_timeout,omitempty"`
	IdleInTransactionTimeout string `json:"idle_in_transaction_timeout,omitempty"`
	IdleAfter                string `json:"idle_after,omitempty"`
}

func viewOf(t *registry.Tenant) tenantView {
	return tenantView{
		ID: t.ID, Name: t.Name, Status: t.Status, Plan: t.Plan, Cluster: t.Cluster, Isolation: string(t.Isolation),
		Schema: t.Schema, Database: t.Database, Login: t.Login, OwnDSN: !t.DSN.IsZero(), SharedLogin: t.SharedLogin,
		DDL: t.DDL, Labels: t.Labels, Version: t.Version,
		Limits: limitsView{
			MaxConns: t.Limits.MaxConns, Queue: t.Limits.Queue,
			GuaranteedConns: t.Limits.GuaranteedConns, Weight: t.Limits.Weight,
			StatementTimeout:         durationText(t.Limits.StatementTimeout),
			IdleInTransactionTimeout: durationText(t.Limits.IdleInTransactionTimeout),
			IdleAfter:                durationText(t.Limits.IdleAfter),
		},
	}
}

func durationText(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return d.String()
}
