package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/poolkeeper/poolkeeper/cmd/poolkeeper/adminapi"
	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/server/adminwire"
)

func (c *console) tenantCommand() *cobra.Command {
	cmd := group("tenant", "Add, look at, change and take away tenants",
		`Add, look at, change and take away tenants. What changes one needs a control
database; with the file alone the file is what to edit.`)
	cmd.AddCommand(
		c.tenantAddCommand(), c.tenantListCommand(), c.tenantShowCommand(), c.tenantSetCommand(),
		c.tenantSuspendCommand(), c.tenantResumeCommand(), c.tenantRetireCommand(), c.tenantDeleteCommand(),
		c.tenantExportCommand(), c.tenantRotateCommand(), c.tenantCloneCommand(), c.tenantProvisionCommand(),
		c.tenantReaderCommand(), c.tenantFlushCommand(),
	)
	return cmd
}

// checkIDs refuses what no tenant can be called, before anybody is asked.
func checkIDs(ids ...string) error {
	for _, id := range ids {
		if _, err := registry.ParseID(id); err != nil {
			return usageError{fmt.Errorf("%q is no tenant id: %s", printable(id), strings.TrimPrefix(err.Error(), registry.ErrInvalidID.Error()+": "))}
		}
	}
	return nil
}

// pageMost is the server's most for a page.
const pageMost = 1000

// tenantFilter are the flags of tenant list.
type tenantFilter struct {
	status, plan, cluster, prefix, after string
	labels                               []string
	behind, failed, all                  bool
	limit                                int
}

func (c *console) tenantListCommand() *cobra.Command {
	var f tenantFilter
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List tenants by id",
		Long: `List tenants by id, a page of a hundred unless told otherwise. Filters are
joined by "and".`,
		Example: `  poolkeeper tenant list --status suspended
  poolkeeper tenant list --plan pro --label region=eu --all
  poolkeeper tenant list --behind --json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.limit < 1 || f.all && cmd.Flags().Changed("limit") {
				return usageError{errors.New("--limit must be at least 1, and not beside --all")}
			}
			return c.with(cmd, func(ctx context.Context, client *adminapi.Client) error {
				return c.listTenants(ctx, client, f)
			})
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.status, "status", "", "only those of this `status`: pending, active, suspended, retired")
	flags.StringVar(&f.plan, "plan", "", "only those of this `plan`")
	flags.StringVar(&f.cluster, "cluster", "", "only those on this `cluster`")
	flags.StringArrayVar(&f.labels, "label", nil, "only those with this label, as `key=value`; repeat for more")
	flags.StringVar(&f.prefix, "prefix", "", "only those whose id or name begins with `text`")
	flags.BoolVar(&f.behind, "behind", false, "only those that lack migrations")
	flags.BoolVar(&f.failed, "failed", false, "only those whose last migration failed")
	flags.StringVar(&f.after, "after", "", "begin after this `ID`: the next page")
	flags.IntVar(&f.limit, "limit", 100, "at most so many")
	flags.BoolVar(&f.all, "all", false, "every page")
	c.complete(cmd, "status", fixed("pending", "active", "suspended", "retired"))
	c.complete(cmd, "plan", c.planNames)
	c.complete(cmd, "cluster", c.clusterNames)
	return cmd
}

func (f tenantFilter) query() url.Values {
	query := queryOf("status", f.status, "plan", f.plan, "cluster", f.cluster, "prefix", f.prefix)
	for _, label := range f.labels {
		query.Add("label", label)
	}
	if f.behind {
		query.Set("behind", "true")
	}
	if f.failed {
		query.Set("failed", "true")
	}
	return query
}

// tenantPage is a page whose tenants are as the server wrote them.
type tenantPage struct {
	Tenants []json.RawMessage `json:"tenants"`
	Next    string            `json:"next,omitempty"`
}

func (c *console) listTenants(ctx context.Context, client *adminapi.Client, f tenantFilter) error {
	page, err := pagesOf(ctx, client, f)
	if err != nil {
		return err
	}
	if c.json {
		return c.printValue(page)
	}
	if len(page.Tenants) == 0 {
		c.note("no tenants")
		return nil
	}
	t := c.table("ID", "STATUS", "PLAN", "CLUSTER", "ISOLATION", "MIGRATED", "NAME")
	for _, text := range page.Tenants {
		var tenant adminwire.Tenant
		if err := (adminapi.Answer{Body: text}).Into(&tenant); err != nil {
			return err
		}
		t.row(tenant.ID, statusOf(tenant), tenant.Plan, tenant.Cluster, tenant.Isolation, migratedOf(tenant), tenant.Name)
	}
	if page.Next != "" {
		defer c.note("there are more: --after %s, or --all", page.Next)
	}
	return t.end()
}

// pagesOf asks for as many pages as are wanted.
func pagesOf(ctx context.Context, client *adminapi.Client, f tenantFilter) (tenantPage, error) {
	all := tenantPage{Tenants: []json.RawMessage{}, Next: f.after}
	for {
		query := f.query()
		limit := min(f.limit-len(all.Tenants), pageMost)
		if f.all {
			limit = pageMost
		}
		query.Set("limit", strconv.Itoa(limit))
		if all.Next != "" {
			query.Set("after", all.Next)
		}
		answer, err := client.Do(ctx, adminapi.Call{Method: http.MethodGet, Path: []string{"tenants"}, Query: query})
		var page tenantPage
		if err == nil {
			err = answer.Into(&page)
		}
		if err != nil {
			return all, err
		}
		all.Tenants, all.Next = append(all.Tenants, page.Tenants...), page.Next
		if page.Next == "" || !f.all && len(all.Tenants) >= f.limit {
			return all, nil
		}
	}
}

// statusOf is the status, with what else is to be known of it.
func statusOf(t adminwire.Tenant) string {
	if t.Deleting {
		return "deleting"
	}
	return t.Status
}

func migratedOf(t adminwire.Tenant) string {
	text := ""
	if t.Migrated != nil && *t.Migrated >= 0 {
		text = strconv.FormatInt(*t.Migrated, 10)
	}
	if t.MigrationError != "" {
		text += " failed"
	}
	return strings.TrimSpace(text)
}
