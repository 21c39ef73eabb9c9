package main

import (
	"context"
	"net/http"
	"net/url"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/poolkeeper/poolkeeper/cmd/poolkeeper/adminapi"
	"github.com/poolkeeper/poolkeeper/server/adminwire"
)

func (c *console) auditCommand() *cobra.Command {
	cmd := group("audit", "Look at the audit trail", "Look at the audit trail: who did what to which tenant.")
	cmd.AddCommand(c.auditListCommand())
	return cmd
}

func (c *console) auditListCommand() *cobra.Command {
	var tenant string
	var before int64
	var limit int
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List what was done, the newest first",
		Example: "  poolkeeper audit list\n  poolkeeper audit list --tenant acme --json",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkLimit(cmd, limit); err != nil {
				return err
			}
			query := queryOf("tenant", tenant, "before", number(before), "limit", number(limit))
			return c.with(cmd, func(ctx context.Context, client *adminapi.Client) error {
				return c.listEvents(ctx, client, query)
			})
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&tenant, "tenant", "", "only what was done to this tenant `ID`")
	flags.Int64Var(&before, "before", 0, "only what was done before this `entry`: the next page")
	flags.IntVar(&limit, "limit", 0, "at most so many (default the server's)")
	c.complete(cmd, "tenant", c.tenantIDs)
	return cmd
}

func (c *console) listEvents(ctx context.Context, client *adminapi.Client, query url.Values) error {
	answer, err := client.Do(ctx, adminapi.Call{Method: http.MethodGet, Path: []string{"audit"}, Query: query})
	if err != nil || c.json {
		return c.orJSON(answer, err)
	}
	var page adminwire.EventPage
	if err := answer.Into(&page); err != nil {
		return err
	}
	if len(page.Events) == 0 {
		c.note("no entries")
		return nil
	}
	t := c.table("ENTRY", "AT", "BY", "ACTION", "TENANT", "HOW IT ENDED")
	for _, e := range page.Events {
		end := plain(e.Error, e.Tenant)
		if end == "" {
			end = "well"
		}
		t.row(strconv.FormatInt(e.ID, 10), moment(e.At), e.Actor, e.Action, e.Tenant, end)
	}
	if page.Next > 0 {
		defer c.note("there are more: --before %d", page.Next)
	}
	return t.end()
}
