package main

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/poolkeeper/poolkeeper/cmd/poolkeeper/adminapi"
	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/server/adminwire"
)

func (c *console) tenantShowCommand() *cobra.Command {
	return &cobra.Command{
		Use:               "show ID",
		Short:             "Show a tenant: where its data is, its limits, labels and version",
		Example:           "  poolkeeper tenant show acme\n  poolkeeper tenant show acme --json",
		Args:              arguments("ID"),
		ValidArgsFunction: c.firstTenant,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkIDs(args...); err != nil {
				return err
			}
			return c.with(cmd, func(ctx context.Context, client *adminapi.Client) error {
				answer, err := client.Do(ctx, adminapi.Call{Method: http.MethodGet, Path: []string{"tenants", args[0]}})
				if err != nil || c.json {
					return c.orJSON(answer, err)
				}
				var t adminwire.Tenant
				if err := answer.Into(&t); err != nil {
					return err
				}
				return c.printTenant(t, keyCount(ctx, client, t.ID))
			})
		},
	}
}

// printTenant leaves out what is not there.
func (c *console) printTenant(t adminwire.Tenant, keys string) error {
	lines := newTable(c.app.Stdout)
	lines.row("id", t.ID)
	for _, line := range slices.Concat(identity(t), place(t), [][2]string{{"api keys", keys}}, limits(t), history(t)) {
		if line[1] != "" {
			lines.row(line[0], line[1])
		}
	}
	return lines.end()
}

func identity(t adminwire.Tenant) [][2]string {
	name := t.Name
	if name == t.ID {
		name = ""
	}
	lines := [][2]string{{"name", name}, {"status", statusText(t)}, {"reason", t.Reason}, {"plan", t.Plan}}
	for _, key := range slices.Sorted(maps.Keys(t.Labels)) {
		lines = append(lines, [2]string{"label " + key, t.Labels[key]})
	}
	return lines
}

// statusText says where a status comes from when two have a say.
func statusText(t adminwire.Tenant) string {
	text := statusOf(t)
	if t.Declared != "" && t.Declared != t.State {
		text += " (the file says " + t.Declared + ", operators say " + t.State + ")"
	} else if t.Declared != "" {
		text += " (declared in the file)"
	}
	return text
}

func place(t adminwire.Tenant) [][2]string {
	login := t.Login
	if t.SharedLogin {
		login = "shared with other tenants"
	}
	lines := [][2]string{
		{"cluster", t.Cluster},
		{"isolation", t.Isolation},
		{"schema", t.Schema},
		{"database", t.Database},
		{"login", login},
		{"read login", t.ReadLogin},
	}
	if t.OwnDSN {
		lines = append(lines, [2]string{"dsn", "its own (hidden)"})
	}
	if t.DDL {
		lines = append(lines, [2]string{"ddl", "may create and drop tables"})
	}
	return lines
}

// limits shows those in force, and whose they are when they are its own.
func limits(t adminwire.Tenant) [][2]string {
	own := limitTexts(t.OwnLimits)
	var lines [][2]string
	for i, line := range limitTexts(&t.Limits) {
		if line[1] != "" && own != nil && own[i][1] == "" {
			line[1] += " (of the plan)"
		}
		lines = append(lines, line)
	}
	return lines
}

func limitTexts(l *adminwire.Limits) [][2]string {
	if l == nil {
		return nil
	}
	return [][2]string{
		{"max_conns", number(l.MaxConns)},
		{"guaranteed_conns", number(l.GuaranteedConns)},
		{"weight", number(l.Weight)},
		{"queue", number(l.Queue)},
		{"statement_timeout", l.StatementTimeout},
		{"idle_in_transaction_timeout", l.IdleInTransactionTimeout},
		{"idle_after", l.IdleAfter},
		{"queue_timeout", l.QueueTimeout},
		{"rate", rateText(l.Rate)},
		{"burst", number(l.Burst)},
		{"in_flight", number(l.InFlight)},
		{"max_body", sizeText(l.MaxBody)},
		{"max_result", sizeText(l.MaxResult)},
		{"cache_for", l.CacheFor},
	}
}

func rateText(rate float64) string {
	if rate == 0 {
		return ""
	}
	return strconv.FormatFloat(rate, 'f', -1, 64) + "/s"
}

func sizeText(bytes int64) string {
	if bytes == 0 {
		return ""
	}
	return registry.FormatSize(bytes)
}

func history(t adminwire.Tenant) [][2]string {
	return [][2]string{
		{"migrated", migratedOf(t)},
		{"migration error", t.MigrationError},
		{"version", strconv.FormatUint(t.Version, 10)},
		{"created", momentOf(t.CreatedAt)},
		{"updated", momentOf(t.UpdatedAt)},
	}
}

func momentOf(t *time.Time) string {
	if t == nil {
		return ""
	}
	return moment(*t)
}
