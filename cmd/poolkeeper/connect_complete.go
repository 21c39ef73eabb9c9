package main

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/poolkeeper/poolkeeper/cmd/poolkeeper/adminapi"
	"github.com/poolkeeper/poolkeeper/server/adminwire"
)

// What the shell asks for while somebody types: a few, soon, or nothing.
const (
	completeWithin = 500 * time.Millisecond
	completeMost   = "50"
)

// completeNamed has a shell that nobody knows be a usage error, and no script for
// one to load.
func completeNamed(root *cobra.Command) {
	root.InitDefaultCompletionCmd()
	if cmd, _, err := root.Find([]string{"completion"}); err == nil {
		cmd.Args = noArgs
		cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	}
}

// completer answers the shell. It never fails: a shell that cannot complete
// stays silent.
type completer func(cmd *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective)

// complete has a flag's values completed.
func (c *console) complete(cmd *cobra.Command, flag string, with completer) {
	_ = cmd.RegisterFlagCompletionFunc(flag, with) // fails for a flag that is not there, which a test would see
}

// fixed completes from a list.
func fixed(values ...string) completer {
	return func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return values, cobra.ShellCompDirectiveNoFileComp
	}
}

// firstTenant completes a command's only argument.
func (c *console) firstTenant(cmd *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return c.tenantIDs(cmd, args, prefix)
}

// tenantIDs completes the id of a tenant, with its name beside it.
func (c *console) tenantIDs(cmd *cobra.Command, _ []string, prefix string) ([]string, cobra.ShellCompDirective) {
	var page adminwire.TenantPage
	c.quickly(cmd, []string{"tenants"}, queryOf("prefix", prefix, "limit", completeMost), &page)
	var ids []string
	for _, t := range page.Tenants {
		if t.Name != "" && t.Name != t.ID {
			ids = append(ids, t.ID+"\t"+printable(t.Name))
			continue
		}
		ids = append(ids, t.ID)
	}
	return ids, cobra.ShellCompDirectiveNoFileComp
}

// tenantAndKey completes a tenant's id, and then a key of that tenant which
// has not been revoked.
func (c *console) tenantAndKey(cmd *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
	if len(args) != 1 {
		return c.firstTenant(cmd, args, prefix)
	}
	var page adminwire.APIKeyPage
	c.quickly(cmd, []string{"tenants", args[0], "api-keys"}, queryOf("limit", completeMost), &page)
	var keys []string
	for _, k := range page.Keys {
		if k.Status != "revoked" {
			keys = append(keys, k.Prefix+"\t"+printable(strings.TrimPrefix(k.Name+", "+k.Scope+", "+k.Status, ", ")))
		}
	}
	return keys, cobra.ShellCompDirectiveNoFileComp
}

// firstOperation completes a command's only argument.
func (c *console) firstOperation(cmd *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return c.operationIDs(cmd, args, prefix)
}

// operationIDs completes the id of an operation, the newest first, with what
// it is about beside it.
func (c *console) operationIDs(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	var page adminwire.OperationPage
	c.quickly(cmd, []string{"operations"}, queryOf("limit", completeMost), &page)
	var ids []string
	for _, op := range page.Operations {
		ids = append(ids, op.ID+"\t"+subject(op)+", "+op.State)
	}
	return ids, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
}

func (c *console) planNames(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	var list adminwire.PlanList
	c.quickly(cmd, []string{"plans"}, nil, &list)
	var names []string
	for _, p := range list.Plans {
		names = append(names, p.Name)
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

func (c *console) clusterNames(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	var list clusterList
	c.quickly(cmd, []string{"clusters"}, nil, &list)
	var names []string
	for _, cluster := range list.Clusters {
		names = append(names, cluster.Cluster)
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// quickly asks a running server, and leaves v as it is when that fails. With
// --direct it would open databases for a keystroke.
func (c *console) quickly(cmd *cobra.Command, path []string, query url.Values, v any) {
	if c.direct {
		return
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), completeWithin)
	defer cancel()
	client, closing, err := c.connect(ctx)
	if err != nil {
		return
	}
	defer func() { _ = closing() }() // nobody can be told
	answer, err := client.Do(ctx, adminapi.Call{Method: http.MethodGet, Path: path, Query: query})
	if err == nil {
		_ = answer.Into(v) // see above
	}
}
