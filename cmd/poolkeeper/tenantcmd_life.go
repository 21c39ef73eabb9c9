package main

import (
	"context"
	"net/http"

	"github.com/spf13/cobra"

	"github.com/poolkeeper/poolkeeper/cmd/poolkeeper/adminapi"
	"github.com/poolkeeper/poolkeeper/server/adminwire"
)

// oneTenant is a command that posts something to one tenant and says what it
// is afterwards. call adds the body to the call.
func (c *console) oneTenant(cmd *cobra.Command, verb, after string, call func() adminapi.Call, noWait *bool) *cobra.Command {
	cmd.Use = verb + " ID"
	cmd.Args = arguments("ID")
	cmd.ValidArgsFunction = c.firstTenant
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := checkIDs(args...); err != nil {
			return err
		}
		asked := call()
		asked.Method, asked.Path = http.MethodPost, []string{"tenants", args[0], verb}
		return c.with(cmd, func(ctx context.Context, client *adminapi.Client) error {
			return c.changeTenant(ctx, client, asked, args[0], noWait != nil && *noWait, func(t adminwire.Tenant) string {
				if after == "" {
					return t.ID + " is " + t.Status
				}
				return t.ID + " " + after
			})
		})
	}
	return cmd
}

func noBody() adminapi.Call { return adminapi.Call{} }

func noWaitFlag(cmd *cobra.Command, noWait *bool) {
	cmd.Flags().BoolVar(noWait, "no-wait", false, "return when it has begun, and do not wait for its end")
}

func (c *console) tenantSuspendCommand() *cobra.Command {
	var reason string
	cmd := c.oneTenant(&cobra.Command{
		Short: "Refuse a tenant's requests from now on, and close its connections",
		Long: `Refuse a tenant's requests from now on, on every server, and close its
connections. Its data stays, and "tenant resume" takes it back.`,
		Example: `  poolkeeper tenant suspend acme --reason "invoice 1042 is open"`,
	}, "suspend", "", func() adminapi.Call {
		return adminapi.Call{Body: adminwire.SuspendRequest{Reason: reason}}
	}, nil)
	cmd.Flags().StringVar(&reason, "reason", "", "why, for whoever looks at the tenant later")
	return cmd
}

func (c *console) tenantResumeCommand() *cobra.Command {
	return c.oneTenant(&cobra.Command{
		Short: "Serve a suspended or retired tenant again",
		Long: `Serve a suspended or retired tenant again. Migrations that it has missed are
applied first.`,
		Example: "  poolkeeper tenant resume acme",
	}, "resume", "", noBody, nil)
}

func (c *console) tenantRotateCommand() *cobra.Command {
	var noWait bool
	cmd := c.oneTenant(&cobra.Command{
		Short: "Give a tenant's login a new password, without a failed request",
		Long: `Give a tenant's login a new password, without a failed request. The password is
generated, sealed and never shown.`,
		Example: "  poolkeeper tenant rotate acme",
	}, "rotate", "has a new password", noBody, &noWait)
	noWaitFlag(cmd, &noWait)
	return cmd
}

func (c *console) tenantProvisionCommand() *cobra.Command {
	var noWait bool
	cmd := c.oneTenant(&cobra.Command{
		Short: "Go on with a tenant that is pending, or mend one: every step looks before it acts",
		Long: `Go on with a tenant that is pending, or mend one. Every step looks at what is
there before it acts, so doing it again is safe.`,
		Example: "  poolkeeper tenant provision acme",
	}, "provision", "", noBody, &noWait)
	noWaitFlag(cmd, &noWait)
	return cmd
}
