package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/spf13/cobra"

	"github.com/poolkeeper/poolkeeper/cmd/poolkeeper/adminapi"
	"github.com/poolkeeper/poolkeeper/pools"
)

func (c *console) poolsCommand() *cobra.Command {
	cmd := group("pools", "Look at the pools of a running server, close and open them",
		`Look at the open pools of a running server: list, show, evict, warm. A pool is
opened by a tenant's first request and closed when nobody needs it.`)
	cmd.AddCommand(c.poolsListCommand(), c.poolsShowCommand(), c.poolsEvictCommand(), c.poolsWarmCommand())
	return cmd
}

// poolStat is a pool; its access is write or read.
type poolStat struct {
	pools.Stat
	Access string `json:"access"`
}

// poolView is what the API says of pools.
type poolView struct {
	Pools  []poolStat                 `json:"pools"`
	Limits map[string]json.RawMessage `json:"limits"`
}

func (c *console) poolsListCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Short:   "List the open pools",
		Example: "  poolkeeper pools list",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.with(cmd, func(ctx context.Context, client *adminapi.Client) error {
				return c.showPools(ctx, client, http.MethodGet, "pools")
			})
		},
	}
}

// onePool is a command about the pool of one tenant.
func (c *console) onePool(cmd *cobra.Command, do func(ctx context.Context, client *adminapi.Client, id string) error) *cobra.Command {
	cmd.Args = arguments("ID")
	cmd.ValidArgsFunction = c.firstTenant
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := checkIDs(args...); err != nil {
			return err
		}
		return c.with(cmd, func(ctx context.Context, client *adminapi.Client) error { return do(ctx, client, args[0]) })
	}
	return cmd
}

func (c *console) poolsShowCommand() *cobra.Command {
	return c.onePool(&cobra.Command{
		Use: "show ID", Short: "Show a tenant's pools, and the limits that an operator has set for now",
		Example: "  poolkeeper pools show acme",
	}, func(ctx context.Context, client *adminapi.Client, id string) error {
		return c.showPools(ctx, client, http.MethodGet, "pools", id)
	})
}

func (c *console) poolsWarmCommand() *cobra.Command {
	return c.onePool(&cobra.Command{
		Use: "warm ID", Short: "Open a tenant's pool before its first request needs it",
		Example: "  poolkeeper pools warm acme",
	}, func(ctx context.Context, client *adminapi.Client, id string) error {
		return c.showPools(ctx, client, http.MethodPost, "pools", id, "warm")
	})
}

func (c *console) poolsEvictCommand() *cobra.Command {
	return c.onePool(&cobra.Command{
		Use: "evict ID", Short: "Close a tenant's pool; what runs on it ends in peace",
		Long: `Close a tenant's pool. What runs on it ends in peace, and the next request opens a
new one.`,
		Example: "  poolkeeper pools evict acme",
	}, func(ctx context.Context, client *adminapi.Client, id string) error {
		answer, err := client.Do(ctx, adminapi.Call{Method: http.MethodPost, Path: []string{"pools", id, "evict"}})
		if err != nil || c.json {
			return c.orJSON(answer, err)
		}
		c.say("the pool of %s is evicted", id)
		return nil
	})
}

func (c *console) showPools(ctx context.Context, client *adminapi.Client, method string, path ...string) error {
	answer, err := client.Do(ctx, adminapi.Call{Method: method, Path: path})
	if err != nil || c.json {
		return c.orJSON(answer, err)
	}
	var view poolView
	if err := answer.Into(&view); err != nil {
		return err
	}
	if len(view.Pools) == 0 {
		c.note("no pools")
		return nil
	}
	t := c.table("TENANT", "ACCESS", "CLUSTER", "STATE", "CONNS", "MAX", "IDLE", "WAITING", "LEASES", "LAST USED")
	for _, p := range view.Pools {
		state := p.State
		if p.Reason != "" {
			state += " (" + string(p.Reason) + ")"
		}
		t.row(p.Tenant.String(), p.Access, p.Cluster, state, fmt.Sprint(p.Idle+p.Acquired+p.Opening), fmt.Sprint(p.Max),
			fmt.Sprint(p.Idle), number(p.Waiting), number(p.Leases), moment(p.LastUsed))
	}
	if err := t.end(); err != nil {
		return err
	}
	return c.printOverrides(view.Limits)
}

// printOverrides shows what an operator has set; null is the record's own.
func (c *console) printOverrides(limits map[string]json.RawMessage) error {
	t := newTable(c.app.Stdout)
	for _, name := range []string{"max_conns", "queue", "weight", "guaranteed_conns"} {
		if value, set := limits[name]; set && string(value) != "null" {
			t.row("set for now:", name, string(value))
		}
	}
	return t.end()
}
