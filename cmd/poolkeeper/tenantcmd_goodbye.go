package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/poolkeeper/poolkeeper/cmd/poolkeeper/adminapi"
	"github.com/poolkeeper/poolkeeper/server/adminwire"
)

func (c *console) tenantRetireCommand() *cobra.Command {
	var noWait, noExport bool
	cmd := &cobra.Command{
		Use:   "retire ID",
		Short: "Take a tenant out of service for good; its data stays",
		Long: `Take a tenant out of service for good. It is refused from now on and left out of
migrations; its data stays until "tenant delete". A dump of it is written on the
server first, unless --no-export says otherwise.`,
		Example:           "  poolkeeper tenant retire acme\n  poolkeeper tenant retire acme --no-export",
		Args:              arguments("ID"),
		ValidArgsFunction: c.firstTenant,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkIDs(args...); err != nil {
				return err
			}
			export := !noExport
			call := adminapi.Call{
				Method: http.MethodPost, Path: []string{"tenants", args[0], "retire"}, Body: adminwire.RetireRequest{Export: &export},
			}
			return c.with(cmd, func(ctx context.Context, client *adminapi.Client) error {
				return c.leave(ctx, client, call, args[0]+" is retired", noWait)
			})
		},
	}
	exportFlags(cmd, &noExport, &noWait)
	return cmd
}

func exportFlags(cmd *cobra.Command, noExport, noWait *bool) {
	cmd.Flags().BoolVar(noExport, "no-export", false, "write no dump first")
	noWaitFlag(cmd, noWait)
}

func (c *console) tenantDeleteCommand() *cobra.Command {
	var noWait, noExport, forget bool
	var yes string
	cmd := &cobra.Command{
		Use:   "delete ID",
		Short: "Drop a tenant's data, login and record for good",
		Long: `Drop a tenant's data, login and record for good. On a terminal the id has to be
typed again; elsewhere --yes must repeat it. A dump is written on the server
first, unless --no-export says otherwise.

Of a tenant whose cluster is not in the configuration any more nothing can be
dropped. --forget removes its record and its API keys alone, and leaves the data
and the logins on that server.`,
		Example:           "  poolkeeper tenant delete acme\n  poolkeeper tenant delete acme --yes acme --no-export",
		Args:              arguments("ID"),
		ValidArgsFunction: c.firstTenant,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkIDs(args...); err != nil {
				return err
			}
			asking, err := c.mustAsk(cmd, args[0], yes)
			if err != nil {
				return err
			}
			call := adminapi.Call{
				Method: http.MethodDelete, Path: []string{"tenants", args[0]},
				Query: url.Values{"confirm": {args[0]}, "export": {strconv.FormatBool(!noExport && !forget)}},
			}
			done := args[0] + " is deleted"
			if forget {
				call.Query.Set("forget", "true")
				done = args[0] + " is forgotten; its data stays where it is"
			}
			return c.with(cmd, func(ctx context.Context, client *adminapi.Client) error {
				if asking {
					if err := c.confirmDelete(ctx, cmd, client, args[0], goodbye(noExport, forget)); err != nil {
						return err
					}
				}
				return c.leave(ctx, client, call, done, noWait)
			})
		},
	}
	exportFlags(cmd, &noExport, &noWait)
	cmd.Flags().BoolVar(&forget, "forget", false, "remove the record alone: the cluster is not configured any more")
	cmd.Flags().StringVar(&yes, "yes", "", "do not ask: the `ID` again")
	return cmd
}

// mustAsk reports whether the id is still to be typed a second time. Where
// nobody can be asked, nothing is begun.
func (c *console) mustAsk(cmd *cobra.Command, id, yes string) (bool, error) {
	if !cmd.Flags().Changed("yes") {
		return true, canAsk(cmd, "nobody can be asked here; repeat the id to delete it: --yes "+id)
	}
	if yes != id {
		return false, usageError{fmt.Errorf("--yes %q is not the id of the tenant to delete, %q; nothing was deleted", printable(yes), id)}
	}
	return false, nil
}

// goodbye is what is said before a tenant goes: of whom, and where it lies.
func goodbye(noExport, forget bool) string {
	switch {
	case forget:
		return "This removes the record of %s and its API keys for good. Its data and its logins STAY:\n  %s"
	case noExport:
		return "This drops all data of %s for good:\n  %s\nNO dump is written."
	default:
		return "This drops all data of %s for good:\n  %s\nA dump is written first."
	}
}

// confirmDelete shows what is dropped, and wants the id a second time.
func (c *console) confirmDelete(ctx context.Context, cmd *cobra.Command, client *adminapi.Client, id, what string) error {
	answer, err := client.Do(ctx, adminapi.Call{Method: http.MethodGet, Path: []string{"tenants", id}})
	if err != nil {
		return err
	}
	var t adminwire.Tenant
	if err := answer.Into(&t); err != nil {
		return err
	}
	name := ""
	if t.Name != id && t.Name != "" {
		name = " (" + printable(t.Name) + ")"
	}
	typed, err := c.ask(cmd, fmt.Sprintf(what+"\nType %s to go on: ", id+name, whereOf(t), id))
	if errors.Is(err, context.Canceled) {
		return exitError{exitFailed, errors.New("stopped; nothing was deleted")}
	}
	if err == nil && typed != id {
		err = exitError{exitFailed, errors.New("that is not the id; nothing was deleted")}
	}
	return err
}

// leave does what takes a tenant away, and says where its dump is.
func (c *console) leave(ctx context.Context, client *adminapi.Client, call adminapi.Call, sentence string, noWait bool) error {
	end, err := c.work(ctx, client, call, noWait)
	if err != nil || end.running {
		return err
	}
	op, err := operationOf(ctx, client, end)
	if err != nil {
		return err
	}
	if c.json {
		return c.printValue(op)
	}
	c.say("%s", sentence)
	var dump adminwire.ExportResult
	if len(op.Result) > 0 && (adminapi.Answer{Body: op.Result}).Into(&dump) == nil && dump.File != "" {
		c.say("its dump is on the server: %s (%s)", printable(dump.File), size(dump.Bytes))
	}
	return nil
}

// operationOf is the operation behind the end of a call, whatever the server
// answered with.
func operationOf(ctx context.Context, client *adminapi.Client, end ended) (adminwire.Operation, error) {
	if end.op.State == "" && end.op.ID != "" {
		return client.Operation(ctx, end.op.ID)
	}
	if end.op.State == "" {
		var op adminwire.Operation
		err := end.answer.Into(&op)
		return op, err
	}
	return end.op, nil
}

// size is a number of bytes for people.
func size(bytes int64) string {
	const step = 1024
	if bytes < step {
		return count(int(bytes), "byte")
	}
	value, unit := float64(bytes)/step, 0
	for value >= step && unit < 3 {
		value /= step
		unit++
	}
	return fmt.Sprintf("%.1f %s", value, [...]string{"KiB", "MiB", "GiB", "TiB"}[unit])
}
