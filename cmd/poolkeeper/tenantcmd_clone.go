package main

import (
	"net/http"

	"github.com/spf13/cobra"

	"github.com/poolkeeper/poolkeeper/cmd/poolkeeper/adminapi"
	"github.com/poolkeeper/poolkeeper/server/adminwire"
)

func (c *console) tenantCloneCommand() *cobra.Command {
	var n newTenant
	var noData bool
	cmd := &cobra.Command{
		Use:   "clone FROM NEW",
		Short: "Make a tenant like another one, with its data or without",
		Long: `Make a tenant like another one, with its data or without. What is not given is
FROM's; the new one gets a place, a login and a password of its own. Cloning a
database ends the sessions on FROM's for a moment.`,
		Example: `  poolkeeper tenant clone acme acme-staging
  poolkeeper tenant clone acme template --no-data --name "Empty copy"`,
		Args:              arguments("FROM", "NEW"),
		ValidArgsFunction: c.firstTenant,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkIDs(args...); err != nil {
				return err
			}
			tenant, err := n.request(c.app, args[1], cmd.Flags())
			if err != nil {
				return err
			}
			body := adminwire.CloneRequest{NewTenant: tenant}
			if noData {
				body.Data = new(bool)
			}
			call := adminapi.Call{Method: http.MethodPost, Path: []string{"tenants", args[0], "clone"}, Body: body}
			return c.makeTenant(cmd, call, args[1], n.noWait)
		},
	}
	n.flags(c, cmd, "FROM's")
	cmd.Flags().BoolVar(&noData, "no-data", false, "copy no rows, only what migrations make")
	return cmd
}
