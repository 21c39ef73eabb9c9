package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/poolkeeper/poolkeeper/cmd/poolkeeper/adminapi"
	"github.com/poolkeeper/poolkeeper/server/adminwire"
)

func (c *console) apikeyCommand() *cobra.Command {
	cmd := group("apikey", "Make, list and revoke the API keys that tenants' clients present",
		`Make, list and revoke the API keys that tenants' clients present: as
"Authorization: Bearer", as "apikey", or as the password of a connection string.
A key's text is shown once, when it is made. Lists show how it begins, which is
how these commands name it: pk_m2k8vq0x7c4d.

The keyset that seals what the control database stores is something else, which
clients never see: see "poolkeeper keys".`)
	cmd.AddCommand(c.apikeyCreateCommand(), c.apikeyListCommand(), c.apikeyRevokeCommand(), c.apikeyExpireCommand())
	return cmd
}

// Scopes of an API key.
const (
	scopeWrite = "write"
	scopeRead  = "read"
)

// newKey are the flags of apikey create.
type newKey struct {
	name, expires, url string
	readOnly, quiet    bool
}

func (c *console) apikeyCreateCommand() *cobra.Command {
	var n newKey
	cmd := &cobra.Command{
		Use:   "create TENANT",
		Short: "Make an API key and print it, this once",
		Long: `Make an API key and print it, this once: the key alone goes to the standard
output, and what else there is to say to the error stream. A key with --read-only
works through a login that PostgreSQL lets read and nothing else; the first one
makes that login.`,
		Example: `  poolkeeper apikey create acme --name web --expires 90d
  poolkeeper apikey create acme --read-only --expires 2030-01-31T00:00:00Z
  poolkeeper apikey create acme --url https://api.db.example.com`,
		Args:              arguments("TENANT"),
		ValidArgsFunction: c.firstTenant,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkIDs(args...); err != nil {
				return err
			}
			body, err := n.request(time.Now())
			if err == nil {
				_, err = connectionTo(n.url, args[0])
			}
			if err != nil {
				return err
			}
			call := adminapi.Call{Method: http.MethodPost, Path: []string{"tenants", args[0], "api-keys"}, Body: body}
			return c.with(cmd, func(ctx context.Context, client *adminapi.Client) error {
				return c.createKey(ctx, client, call, n)
			})
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&n.name, "name", "", "what people call it")
	flags.BoolVar(&n.readOnly, "read-only", false, "let it read, and nothing else")
	flags.StringVar(&n.expires, "expires", "", "when it ends: `30d`, 12h, or a time such as 2030-01-31T00:00:00Z (default never)")
	flags.StringVar(&n.url, "url", "", "the `URL` that clients reach, for a connection string to copy")
	flags.BoolVarP(&n.quiet, "quiet", "q", false, "print the key and nothing else")
	return cmd
}

func (n newKey) request(now time.Time) (adminwire.NewAPIKey, error) {
	r := adminwire.NewAPIKey{Name: n.name, Scope: scopeWrite}
	if n.readOnly {
		r.Scope = scopeRead
	}
	if n.expires == "" {
		return r, nil
	}
	at, err := momentFrom("--expires", n.expires, now)
	if err == nil && !at.After(now) {
		err = usageError{errors.New("--expires is past already")}
	}
	r.ExpiresAt = &at
	return r, err
}

// createKey prints a new key. Whoever cannot be told its text is told which
// one it is.
func (c *console) createKey(ctx context.Context, client *adminapi.Client, call adminapi.Call, n newKey) error {
	answer, err := client.Do(ctx, call)
	var made adminwire.CreatedKey
	if err == nil {
		err = answer.Into(&made)
	}
	if err != nil {
		return err
	}
	if c.json {
		err = c.printJSON(answer.Body)
	} else {
		_, err = fmt.Fprintln(c.app.Stdout, printable(made.Text))
	}
	if err != nil {
		return fmt.Errorf("the key %s was made and could not be printed; revoke it: %w", printable(made.Key.Prefix), err)
	}
	if n.quiet || c.json {
		return nil
	}
	c.note("this is the key %s of %s, which %s; it cannot be shown again", printable(made.Key.Prefix), printable(made.Key.Tenant), abilityOf(made.Key))
	if where, err := connectionTo(n.url, call.Path[1]); err != nil {
		return err
	} else if where != "" {
		c.note("%s", where)
	}
	return nil
}

func abilityOf(k adminwire.APIKey) string {
	text := "may read and write"
	if k.Scope == scopeRead {
		text = "may only read"
	}
	if k.ExpiresAt != nil {
		text += " until " + moment(*k.ExpiresAt)
	}
	return text
}

// keyNamed returns the id of a key that was named by it, by how its text
// begins, or by the whole text, of which nothing else is used or repeated.
func keyNamed(text string) (string, error) {
	id, _, _ := strings.Cut(strings.TrimPrefix(text, "pk_"), "_")
	odd := func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') }
	if len(id) != 12 || strings.ContainsFunc(id, odd) {
		return "", usageError{errors.New(`KEY must be how the key begins, such as pk_m2k8vq0x7c4d; "poolkeeper apikey list" shows it`)}
	}
	return id, nil
}
