package main

import (
	"context"
	"fmt"
	"net/http"

	"github.com/spf13/cobra"

	"github.com/poolkeeper/poolkeeper/cmd/poolkeeper/adminapi"
	"github.com/poolkeeper/poolkeeper/server/adminwire"
)

func (c *console) migrateStatusCommand() *cobra.Command {
	var verify, byTenant bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show how many tenants are at which version",
		Long: `Show how many tenants are at which version, as the control database knows it.
--verify reads each tenant's own table, which takes a connection each, and
reports those that differ.`,
		Example: "  poolkeeper migrate status\n  poolkeeper migrate status --tenants\n  poolkeeper migrate status --verify",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.with(cmd, func(ctx context.Context, client *adminapi.Client) error {
				if byTenant {
					return c.statusByTenant(ctx, client)
				}
				return c.migrationStatus(ctx, client, verify)
			})
		},
	}
	cmd.Flags().BoolVar(&verify, "verify", false, "read each tenant's own table")
	cmd.Flags().BoolVar(&byTenant, "tenants", false, "a line for each tenant")
	return cmd
}

func (c *console) migrationStatus(ctx context.Context, client *adminapi.Client, verify bool) error {
	call := adminapi.Call{Method: http.MethodGet, Path: []string{"migrations"}}
	if verify {
		call.Query = queryOf("verify", "true")
	}
	answer, err := client.Do(ctx, call)
	if err != nil || c.json {
		return c.orJSON(answer, err)
	}
	var status adminwire.MigrationStatus
	if err := answer.Into(&status); err != nil {
		return err
	}
	t := c.table("SET", "VERSION", "TENANTS", "FAILED", "STATE")
	for _, set := range status.Sets {
		for _, v := range set.Versions {
			t.row(set.Set, versionText(v.Version), fmt.Sprint(v.Tenants), number(v.Failed), standing(v.Version, set.Latest))
		}
	}
	if err := t.end(); err != nil {
		return err
	}
	c.say("\n%d behind, %d failed", status.Behind, status.Failed)
	return c.printDrift(status, verify)
}

func versionText(version int64) string {
	if version < 0 {
		return "unknown"
	}
	return fmt.Sprint(version)
}

func standing(version, latest int64) string {
	switch {
	case version == latest:
		return "latest"
	case version > latest:
		return "newer than the files"
	default:
		return "behind"
	}
}

func (c *console) printDrift(status adminwire.MigrationStatus, verify bool) error {
	if len(status.Drift) == 0 {
		if verify {
			c.say("every tenant's own table says the same")
		}
		return nil
	}
	c.say("\n%s at another version than the control database says:", areThere(len(status.Drift)))
	t := c.table("TENANT", "SAID", "IS", "ERROR")
	for _, d := range status.Drift {
		t.row(d.Tenant, versionText(d.Mirror), versionText(d.Actual), plain(d.Error, d.Tenant))
	}
	return t.end()
}

// statusByTenant lists where each tenant is.
func (c *console) statusByTenant(ctx context.Context, client *adminapi.Client) error {
	page, err := pagesOf(ctx, client, tenantFilter{all: true})
	if err != nil {
		return err
	}
	if c.json {
		return c.printValue(page)
	}
	t := c.table("TENANT", "STATUS", "VERSION", "ERROR")
	for _, text := range page.Tenants {
		var tenant adminwire.Tenant
		if err := (adminapi.Answer{Body: text}).Into(&tenant); err != nil {
			return err
		}
		version := int64(-1)
		if tenant.Migrated != nil {
			version = *tenant.Migrated
		}
		t.row(tenant.ID, statusOf(tenant), versionText(version), tenant.MigrationError)
	}
	return t.end()
}
