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

// clusterList is what the API says of clusters.
type clusterList struct {
	Clusters []clusterView `json:"clusters"`
}

type clusterView struct {
	pools.BudgetStat
	Settings map[string]json.RawMessage `json:"settings"`
}

func (c *console) clustersCommand() *cobra.Command {
	cmd := group("clusters", "Look at the clusters of a running server and their budgets",
		`Look at the clusters of a running server and their budgets.`)
	cmd.AddCommand(&cobra.Command{
		Use:   "list",
		Short: "List the clusters with the numbers of their budgets",
		Long: `List the clusters with the numbers of their budgets: the most connections at
once, how many there are, and what they do.`,
		Example: "  poolkeeper clusters list",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.with(cmd, c.listClusters)
		},
	})
	return cmd
}

func (c *console) listClusters(ctx context.Context, client *adminapi.Client) error {
	answer, err := client.Do(ctx, adminapi.Call{Method: http.MethodGet, Path: []string{"clusters"}})
	if err != nil || c.json {
		return c.orJSON(answer, err)
	}
	var list clusterList
	if err := answer.Into(&list); err != nil {
		return err
	}
	t := c.table("CLUSTER", "BUDGET", "IN USE", "IDLE", "SPARES", "OPENING", "CLOSING", "WAITING", "BROKEN")
	for _, b := range list.Clusters {
		budget := fmt.Sprint(b.Budget)
		if b.Derived {
			budget += " (auto)"
		}
		t.row(b.Cluster, budget, fmt.Sprint(b.InUse), fmt.Sprint(b.Idle), fmt.Sprint(b.Spares),
			number(b.Opening), number(b.Closing), number(b.Waiting), number(b.BreakersOpen))
	}
	return t.end()
}
