package main

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/poolkeeper/poolkeeper/cmd/poolkeeper/adminapi"
	"github.com/poolkeeper/poolkeeper/server/adminwire"
)

// newTenant are the flags that describe a tenant.
type newTenant struct {
	adminwire.NewTenant
	passwordFrom, dsnFrom string
	maxBody, maxResult    string
	ddl                   bool
	labels                []string
	noWait                bool
}

// flags adds them; what is not given comes from fallback.
func (n *newTenant) flags(c *console, cmd *cobra.Command, fallback string) {
	flags := cmd.Flags()
	flags.StringVar(&n.Name, "name", "", "what people call it (default the id)")
	flags.StringVar(&n.Plan, "plan", "", "the `plan` whose defaults it has")
	flags.StringVar(&n.Cluster, "cluster", "", "the `cluster` for its data (default "+fallback+", else the one with most room)")
	flags.StringVar(&n.Isolation, "isolation", "", "schema, database or row (default "+fallback+")")
	flags.StringVar(&n.Schema, "schema", "", "the `name` of its schema (default made from the id)")
	flags.StringVar(&n.Database, "database", "", "the `name` of its database (default made from the id)")
	flags.StringVar(&n.Login, "login", "", "the `role` that it logs in as (default made from the id)")
	flags.StringVar(&n.passwordFrom, "password-from", "", "where its password is: `env:NAME|file:PATH` (default one is generated)")
	flags.StringVar(&n.dsnFrom, "dsn-from", "", "where a connection string of its own is: `env:NAME|file:PATH`")
	flags.BoolVar(&n.ddl, "ddl", false, "let it create and drop tables of its own")
	flags.StringArrayVar(&n.labels, "label", nil, "a label, as `key=value`; repeat for more")
	flags.BoolVar(&n.noWait, "no-wait", false, "return when it has begun, and do not wait for its end")
	flags.IntVar(&n.Limits.MaxConns, "max-conns", 0, "most connections of its own (default the plan's, as for all limits)")
	flags.IntVar(&n.Limits.GuaranteedConns, "guaranteed-conns", 0, "connections that nobody takes from it")
	flags.IntVar(&n.Limits.Weight, "weight", 0, "its share of what is left, as a weight")
	flags.IntVar(&n.Limits.Queue, "queue", 0, "most requests that may wait for a connection")
	flags.StringVar(&n.Limits.StatementTimeout, "statement-timeout", "", "longest statement, such as 30s")
	flags.StringVar(&n.Limits.IdleInTransactionTimeout, "idle-in-transaction-timeout", "", "longest pause inside a transaction")
	flags.StringVar(&n.Limits.IdleAfter, "idle-after", "", "how long a pool without work stays open")
	n.requestFlags(flags)
	c.complete(cmd, "plan", c.planNames)
	c.complete(cmd, "cluster", c.clusterNames)
	c.complete(cmd, "isolation", fixed("schema", "database", "row"))
}

// requestFlags adds the limits that concern requests, not connections.
func (n *newTenant) requestFlags(flags *pflag.FlagSet) {
	flags.StringVar(&n.Limits.QueueTimeout, "queue-timeout", "", "longest that a request waits for a connection, such as 2s")
	flags.Float64Var(&n.Limits.Rate, "rate", 0, "requests a second in the long run, such as 5 or 0.5")
	flags.IntVar(&n.Limits.Burst, "burst", 0, "requests at once (default the rate)")
	flags.IntVar(&n.Limits.InFlight, "in-flight", 0, "most requests under way at the same time")
	flags.StringVar(&n.maxBody, "max-body", "", "largest body of a request, in `bytes` or such as 512KiB")
	flags.StringVar(&n.maxResult, "max-result", "", "largest answer, in `bytes` or such as 10MiB")
	flags.StringVar(&n.Limits.CacheFor, "cache-for", "", "how long answers to reads may be served again (default not at all)")
}

// sizes reads the limits that are sizes.
func (n *newTenant) sizes(r *adminwire.NewTenant) error {
	for _, size := range []struct {
		flag, text string
		into       *int64
	}{{"max-body", n.maxBody, &r.Limits.MaxBody}, {"max-result", n.maxResult, &r.Limits.MaxResult}} {
		if size.text == "" {
			continue
		}
		bytes, err := sizeFrom(size.flag, size.text)
		if err != nil {
			return usageError{err}
		}
		*size.into = bytes
	}
	return nil
}

// request is what the flags say, secrets read.
func (n *newTenant) request(a *App, id string, given *pflag.FlagSet) (adminwire.NewTenant, error) {
	r := n.NewTenant
	r.ID = id
	if given.Changed("ddl") {
		r.DDL = &n.ddl
	}
	for _, secret := range []struct {
		flag, from string
		into       *string
	}{{"--password-from", n.passwordFrom, &r.Password}, {"--dsn-from", n.dsnFrom, &r.DSN}} {
		if secret.from == "" {
			continue
		}
		text, err := a.secretFrom(secret.flag, secret.from)
		if err != nil {
			return r, err
		}
		*secret.into = text.Reveal()
	}
	if err := n.sizes(&r); err != nil {
		return r, err
	}
	if rate := r.Limits.Rate; math.IsNaN(rate) || math.IsInf(rate, 0) { // which JSON does not have
		return r, usageError{fmt.Errorf("--rate %v must be a number such as 5 or 0.5", rate)}
	}
	var err error
	r.Labels, err = labelsOf(n.labels)
	return r, err
}

// labelsOf reads key=value.
func labelsOf(texts []string) (map[string]string, error) {
	var labels map[string]string
	for _, text := range texts {
		key, value, found := strings.Cut(text, "=")
		if !found || key == "" {
			return nil, usageError{fmt.Errorf("--label %q must be key=value", printable(text))}
		}
		if labels == nil {
			labels = map[string]string{}
		}
		labels[key] = value
	}
	return labels, nil
}

func (c *console) tenantAddCommand() *cobra.Command {
	var n newTenant
	cmd := &cobra.Command{
		Use:   "add ID",
		Short: "Make a tenant: its place, login and password, its migrations, then its record",
		Long: `Make a tenant: its place, login and password, its migrations, then its record.
It serves when all of that works. What fails halfway stays pending, with the
reason; "tenant provision ID" goes on from there.`,
		Example: `  poolkeeper tenant add acme
  poolkeeper tenant add acme --name "Acme Inc." --plan pro --label region=eu
  poolkeeper tenant add acme --isolation database --password-from env:ACME_PASSWORD`,
		Args: arguments("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkIDs(args...); err != nil {
				return err
			}
			body, err := n.request(c.app, args[0], cmd.Flags())
			if err != nil {
				return err
			}
			call := adminapi.Call{Method: http.MethodPost, Path: []string{"tenants"}, Body: body}
			return c.makeTenant(cmd, call, args[0], n.noWait)
		},
	}
	n.flags(c, cmd, "the plan's")
	return cmd
}

// makeTenant does what makes a tenant, and says where it is.
func (c *console) makeTenant(cmd *cobra.Command, call adminapi.Call, id string, noWait bool) error {
	return c.with(cmd, func(ctx context.Context, client *adminapi.Client) error {
		return c.changeTenant(ctx, client, call, id, noWait, func(t adminwire.Tenant) string {
			return fmt.Sprintf("%s is %s: %s", t.ID, t.Status, whereOf(t))
		})
	})
}

// whereOf says where a tenant's data is.
func whereOf(t adminwire.Tenant) string {
	var parts []string
	for _, part := range [][2]string{{"schema", t.Schema}, {"database", t.Database}, {"login", t.Login}} {
		if part[1] != "" {
			parts = append(parts, part[0]+" "+printable(part[1]))
		}
	}
	if len(parts) == 0 {
		parts = []string{t.Isolation + " isolation"}
	}
	return strings.Join(parts, ", ") + " on cluster " + printable(t.Cluster)
}

// changeTenant does what a call asks for, waits for it, and prints the tenant
// as it is then: its JSON, or what sentence says of it.
func (c *console) changeTenant(ctx context.Context, client *adminapi.Client, call adminapi.Call, id string, noWait bool, sentence func(adminwire.Tenant) string) error {
	end, err := c.work(ctx, client, call, noWait)
	if err != nil || end.running {
		return err
	}
	answer := end.answer
	if len(answer.Body) == 0 {
		answer, err = client.Do(ctx, adminapi.Call{Method: http.MethodGet, Path: []string{"tenants", id}})
	}
	if err != nil || c.json {
		return c.orJSON(answer, err)
	}
	var t adminwire.Tenant
	if err := answer.Into(&t); err != nil {
		return err
	}
	c.say("%s", sentence(t))
	return nil
}
