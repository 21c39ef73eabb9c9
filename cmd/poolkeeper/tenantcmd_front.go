package main

import (
	"context"
	"net/http"

	"github.com/spf13/cobra"

	"github.com/poolkeeper/poolkeeper/cmd/poolkeeper/adminapi"
)

func (c *console) tenantReaderCommand() *cobra.Command {
	return c.oneTenant(&cobra.Command{
		Short: "Make a tenant's second login, which can only read",
		Long: `Make a tenant's second login, which can only read. The first read-only API key
makes it by itself; tokens that may only read need it made. Doing it again mends
its rights.`,
		Example: "  poolkeeper tenant reader acme",
	}, "reader", "has a login that can only read", noBody, nil)
}

func (c *console) tenantFlushCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "flush ID",
		Short: "Forget the answers that are kept for a tenant",
		Long: `Forget the answers to reads that are kept for a tenant with cache_for: those of
the server that is asked, and with a cache in Redis those of all.`,
		Example: "  poolkeeper tenant flush acme",
		Args:    arguments("ID"),
	}
	cmd.ValidArgsFunction = c.firstTenant
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := checkIDs(args...); err != nil {
			return err
		}
		return c.with(cmd, func(ctx context.Context, client *adminapi.Client) error {
			answer, err := client.Do(ctx, adminapi.Call{Method: http.MethodPost, Path: []string{"tenants", args[0], "flush"}})
			if err != nil || c.json {
				return c.orJSON(answer, err)
			}
			c.say("what was kept for %s is forgotten, by this server and by those that share its cache", args[0])
			return nil
		})
	}
	return cmd
}
