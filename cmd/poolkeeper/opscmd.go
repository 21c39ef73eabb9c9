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

func (c *console) operationsCommand() *cobra.Command {
	cmd := group("operations", "Look at the work that the server does: list, show, watch, cancel",
		`Look at the work that the server does. Whatever may take longer than a request
(adding, rotating, cloning, exporting, deleting, migrating, applying) is an
operation, which goes on whether or not anybody waits for it.`)
	cmd.AddCommand(c.operationsListCommand(), c.operationsShowCommand(), c.watchCommand(), c.operationsCancelCommand())
	return cmd
}

// group is a command that only holds others.
func group(use, short, long string) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, Long: long, Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
}

// checkLimit refuses a page of nothing.
func checkLimit(cmd *cobra.Command, limit int) error {
	if cmd.Flags().Changed("limit") && limit < 1 {
		return usageError{errors.New("--limit must be at least 1")}
	}
	return nil
}

// arguments wants as many arguments as it has names.
func arguments(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < len(names):
			return usageError{fmt.Errorf("%s: %s is missing; usage: %s", cmd.CommandPath(), names[len(args)], cmd.UseLine())}
		case len(args) > len(names):
			return usageError{fmt.Errorf("%s: %q is one argument too many; usage: %s", cmd.CommandPath(), args[len(names)], cmd.UseLine())}
		}
		return nil
	}
}

func (c *console) operationsListCommand() *cobra.Command {
	var tenant, state, before string
	var limit int
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List operations, the newest first",
		Example: "  poolkeeper operations list --state running\n  poolkeeper operations list --tenant acme --limit 5",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkLimit(cmd, limit); err != nil {
				return err
			}
			query := queryOf("tenant", tenant, "state", state, "before", before, "limit", number(limit))
			return c.with(cmd, func(ctx context.Context, client *adminapi.Client) error {
				return c.listOperations(ctx, client, query)
			})
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&tenant, "tenant", "", "only those of this tenant `ID`")
	flags.StringVar(&state, "state", "", "only those in this `state`: running, done, failed, interrupted")
	flags.StringVar(&before, "before", "", "only those before this operation `ID`: the next page")
	flags.IntVar(&limit, "limit", 0, "at most so many (default the server's)")
	c.complete(cmd, "tenant", c.tenantIDs)
	c.complete(cmd, "state", fixed("running", "done", "failed", "interrupted"))
	return cmd
}

// queryOf makes a query of names and values, without those that are empty.
func queryOf(pairs ...string) url.Values {
	query := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			query.Set(pairs[i], pairs[i+1])
		}
	}
	return query
}

func (c *console) listOperations(ctx context.Context, client *adminapi.Client, query url.Values) error {
	answer, err := client.Do(ctx, adminapi.Call{Method: http.MethodGet, Path: []string{"operations"}, Query: query})
	if err != nil || c.json {
		return c.orJSON(answer, err)
	}
	var page adminwire.OperationPage
	if err := answer.Into(&page); err != nil {
		return err
	}
	if len(page.Operations) == 0 {
		c.note("no operations")
		return nil
	}
	t := c.table("ID", "KIND", "TENANT", "STATE", "DONE", "STARTED", "BY")
	for _, op := range page.Operations {
		t.row(op.ID, op.Kind, op.Tenant, op.State, portion(op), moment(op.Started), op.Actor)
	}
	if page.Next != "" {
		defer c.note("there are more: --before %s", page.Next)
	}
	return t.end()
}

// orJSON prints the answer as it is, unless there is an error.
func (c *console) orJSON(answer adminapi.Answer, err error) error {
	if err != nil {
		return err
	}
	return c.printJSON(answer.Body)
}

func portion(op adminwire.Operation) string {
	if op.Total <= 1 {
		return ""
	}
	return strconv.Itoa(op.Done) + "/" + strconv.Itoa(op.Total)
}

func (c *console) operationsShowCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "show OPERATION",
		Short:   "Show an operation as it is now",
		Example: "  poolkeeper operations show 0000000042",
		Args:    arguments("OPERATION"), ValidArgsFunction: c.firstOperation,
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.with(cmd, func(ctx context.Context, client *adminapi.Client) error {
				return c.showOperation(ctx, client, adminapi.Call{Method: http.MethodGet, Path: []string{"operations", args[0]}})
			})
		},
	}
}

func (c *console) operationsCancelCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "cancel OPERATION",
		Short: "Ask a running operation to stop",
		Long: `Ask a running operation to stop. What it has done stays done; asking for the
same again goes on from there. Of several servers only the one that works on it
can stop it: "operations show" names that as replica.`,
		Example: "  poolkeeper operations cancel 0000000042",
		Args:    arguments("OPERATION"), ValidArgsFunction: c.firstOperation,
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.with(cmd, func(ctx context.Context, client *adminapi.Client) error {
				return c.showOperation(ctx, client, adminapi.Call{Method: http.MethodDelete, Path: []string{"operations", args[0]}})
			})
		},
	}
}

func (c *console) showOperation(ctx context.Context, client *adminapi.Client, call adminapi.Call) error {
	answer, err := client.Do(ctx, call)
	if err != nil || c.json {
		return c.orJSON(answer, err)
	}
	var op adminwire.Operation
	if err := answer.Into(&op); err != nil {
		return err
	}
	return c.printOperation(op)
}

func (c *console) printOperation(op adminwire.Operation) error {
	t := newTable(c.app.Stdout)
	t.row("operation", op.ID)
	t.row("kind", op.Kind)
	for _, line := range [][2]string{
		{"tenant", op.Tenant},
		{"by", op.Actor},
		{"replica", op.Replica},
		{"state", op.State},
		{"step", op.Step},
		{"done", portion(op)},
		{"error", plain(op.Error, op.Tenant)},
		{"started", moment(op.Started)},
		{"result", string(op.Result)},
	} {
		if line[1] != "" {
			t.row(line[0], line[1])
		}
	}
	if op.Ended != nil {
		t.row("ended", moment(*op.Ended))
	}
	for _, f := range op.Failures {
		t.row("failed", f.Tenant+": "+plain(f.Error, f.Tenant))
	}
	return t.end()
}

func (c *console) watchCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "watch OPERATION",
		Short: "Wait for an operation and show how it goes on",
		Long: `Wait for an operation and show how it goes on. The exit code is that which the
command would have had that began it. Ctrl-C stops the waiting, not the
operation.`,
		Example: "  poolkeeper operations watch 0000000042",
		Args:    arguments("OPERATION"), ValidArgsFunction: c.firstOperation,
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.with(cmd, func(ctx context.Context, client *adminapi.Client) error {
				op, err := c.follow(ctx, client, args[0])
				if err != nil {
					return err
				}
				if c.json {
					err = c.printValue(op)
				} else {
					c.say("%s is %s", subject(op), op.State)
				}
				if err == nil && isPartly(op) {
					err = c.printFailures(op)
				}
				return err
			})
		},
	}
}
