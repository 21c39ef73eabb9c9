package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/poolkeeper/poolkeeper/cmd/poolkeeper/adminapi"
	"github.com/poolkeeper/poolkeeper/server/adminwire"
)

// oneKey is a command about one key of a tenant. call says what is asked for,
// but for where.
func (c *console) oneKey(cmd *cobra.Command, call func() (adminapi.Call, error), sentence func(adminwire.APIKey) string) *cobra.Command {
	cmd.Args = arguments("TENANT", "KEY")
	cmd.ValidArgsFunction = c.tenantAndKey
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := checkIDs(args[0]); err != nil {
			return err
		}
		id, err := keyNamed(args[1])
		if err != nil {
			return err
		}
		asked, err := call()
		if err != nil {
			return err
		}
		asked.Path = []string{"tenants", args[0], "api-keys", id}
		return c.with(cmd, func(ctx context.Context, client *adminapi.Client) error {
			return c.changeKey(ctx, client, asked, sentence)
		})
	}
	return cmd
}

func (c *console) changeKey(ctx context.Context, client *adminapi.Client, call adminapi.Call, sentence func(adminwire.APIKey) string) error {
	answer, err := client.Do(ctx, call)
	if err != nil || c.json {
		return c.orJSON(answer, err)
	}
	var k adminwire.APIKey
	if err := answer.Into(&k); err != nil {
		return err
	}
	c.say("the key %s of %s %s", printable(k.Prefix), printable(k.Tenant), sentence(k))
	return nil
}

func (c *console) apikeyRevokeCommand() *cobra.Command {
	return c.oneKey(&cobra.Command{
		Use: "revoke TENANT KEY", Short: "End an API key at once and for good",
		Long: `End an API key at once and for good. It stays in the lists. KEY is how the key
begins.`,
		Example: "  poolkeeper apikey revoke acme pk_m2k8vq0x7c4d",
	}, func() (adminapi.Call, error) {
		return adminapi.Call{Method: http.MethodDelete}, nil
	}, func(adminwire.APIKey) string { return "is revoked" })
}

func (c *console) apikeyExpireCommand() *cobra.Command {
	var at string
	var never bool
	cmd := c.oneKey(&cobra.Command{
		Use: "expire TENANT KEY", Short: "Change when an API key ends",
		Long: `Change when an API key ends: --at a time, which may be past, or so long from now
(0s is now); or --never. A key that has expired is good again with a later end;
one that was revoked is not.`,
		Example: `  poolkeeper apikey expire acme pk_m2k8vq0x7c4d --at 7d
  poolkeeper apikey expire acme pk_m2k8vq0x7c4d --at 2030-01-31T00:00:00Z
  poolkeeper apikey expire acme pk_m2k8vq0x7c4d --never`,
	}, func() (adminapi.Call, error) {
		patch, err := expiryOf(at, never, time.Now())
		return adminapi.Call{Method: http.MethodPatch, Body: patch}, err
	}, func(k adminwire.APIKey) string {
		switch {
		case k.Status == "revoked":
			return "was revoked, and stays so"
		case k.ExpiresAt == nil:
			return "does not expire"
		case k.Status == "expired":
			return "has expired"
		default:
			return fmt.Sprintf("expires at %s", moment(*k.ExpiresAt))
		}
	})
	cmd.Flags().StringVar(&at, "at", "", "when: `7d`, 12h, or a time such as 2030-01-31T00:00:00Z")
	cmd.Flags().BoolVar(&never, "never", false, "it does not end by itself")
	return cmd
}

func expiryOf(at string, never bool, now time.Time) (adminwire.APIKeyPatch, error) {
	if never == (at != "") {
		return adminwire.APIKeyPatch{}, usageError{errors.New("say when it is to end: --at TIME, or --never")}
	}
	if never {
		return adminwire.APIKeyPatch{}, nil
	}
	moment, err := momentFrom("--at", at, now)
	return adminwire.APIKeyPatch{ExpiresAt: &moment}, err
}
