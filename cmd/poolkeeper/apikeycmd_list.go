package main

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/poolkeeper/poolkeeper/cmd/poolkeeper/adminapi"
	"github.com/poolkeeper/poolkeeper/server/adminwire"
)

// keyList are the flags of apikey list.
type keyList struct {
	after string
	limit int
	all   bool
}

func (c *console) apikeyListCommand() *cobra.Command {
	var l keyList
	cmd := &cobra.Command{
		Use:   "list [TENANT]",
		Short: "List API keys, a tenant's or everybody's",
		Long: `List API keys, a tenant's or everybody's, a page of a hundred unless told
otherwise. Keys that have expired or were revoked are listed, too. When a key was
last used is known to a few minutes.`,
		Example: `  poolkeeper apikey list acme
  poolkeeper apikey list --all --json`,
		ValidArgsFunction: c.firstTenant,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			return arguments("TENANT")(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if l.limit < 1 || l.all && cmd.Flags().Changed("limit") {
				return usageError{errors.New("--limit must be at least 1, and not beside --all")}
			}
			path := []string{"api-keys"}
			if len(args) > 0 {
				if err := checkIDs(args...); err != nil {
					return err
				}
				path = []string{"tenants", args[0], "api-keys"}
			}
			if l.after != "" {
				id, err := keyNamed(l.after)
				if err != nil {
					return err
				}
				l.after = id
			}
			return c.with(cmd, func(ctx context.Context, client *adminapi.Client) error {
				return c.listKeys(ctx, client, path, l)
			})
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&l.after, "after", "", "begin after this `KEY`: the next page")
	flags.IntVar(&l.limit, "limit", 100, "at most so many")
	flags.BoolVar(&l.all, "all", false, "every page")
	return cmd
}

// keyPage is a page whose keys are as the server wrote them.
type keyPage struct {
	Keys []json.RawMessage `json:"keys"`
	Next string            `json:"next,omitempty"`
}

func (c *console) listKeys(ctx context.Context, client *adminapi.Client, path []string, l keyList) error {
	page, err := keysOf(ctx, client, path, l)
	if err != nil {
		return err
	}
	if c.json {
		return c.printValue(page)
	}
	if len(page.Keys) == 0 {
		c.note("no API keys")
		return nil
	}
	t := c.table("KEY", "TENANT", "SCOPE", "STATUS", "MADE BY", "MADE AT", "EXPIRES", "LAST USED", "NAME")
	for _, text := range page.Keys {
		var k adminwire.APIKey
		if err := (adminapi.Answer{Body: text}).Into(&k); err != nil {
			return err
		}
		t.row(k.Prefix, k.Tenant, k.Scope, k.Status, k.CreatedBy, moment(k.CreatedAt), momentOf(k.ExpiresAt), momentOf(k.LastUsedAt), k.Name)
	}
	if page.Next != "" {
		defer c.note("there are more: --after pk_%s, or --all", printable(page.Next))
	}
	return t.end()
}

// keysOf asks for as many pages as are wanted.
func keysOf(ctx context.Context, client *adminapi.Client, path []string, l keyList) (keyPage, error) {
	all := keyPage{Keys: []json.RawMessage{}, Next: l.after}
	for {
		limit := min(l.limit-len(all.Keys), pageMost)
		if l.all {
			limit = pageMost
		}
		query := queryOf("after", all.Next, "limit", strconv.Itoa(limit))
		answer, err := client.Do(ctx, adminapi.Call{Method: http.MethodGet, Path: path, Query: query})
		var page keyPage
		if err == nil {
			err = answer.Into(&page)
		}
		if err != nil {
			return all, err
		}
		all.Keys, all.Next = append(all.Keys, page.Keys...), page.Next
		if page.Next == "" || !l.all && len(all.Keys) >= l.limit {
			return all, nil
		}
	}
}

// keyCount says how many keys a tenant has that may be used, and nothing for
// none or where nobody knows: without a control database, or from an older server.
func keyCount(ctx context.Context, client *adminapi.Client, id string) string {
	query := queryOf("limit", strconv.Itoa(pageMost))
	answer, err := client.Do(ctx, adminapi.Call{Method: http.MethodGet, Path: []string{"tenants", id, "api-keys"}, Query: query})
	var page adminwire.APIKeyPage
	if err != nil || answer.Into(&page) != nil {
		return ""
	}
	active := 0
	for _, k := range page.Keys {
		if k.Status == "active" {
			active++
		}
	}
	if page.Next != "" {
		return "more than " + strconv.Itoa(active)
	}
	return number(active)
}
