package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/spf13/cobra"

	"github.com/poolkeeper/poolkeeper/cmd/poolkeeper/adminapi"
	"github.com/poolkeeper/poolkeeper/registry/seal"
	"github.com/poolkeeper/poolkeeper/server/adminwire"
)

func (c *console) keysCommand() *cobra.Command {
	cmd := group("keys", "Make and rotate the keyset that seals tenants' secrets",
		`Make and rotate the keyset that seals tenants' secrets in the control database.
To change keys: "keys rotate" adds a key, every server gets the new file and is
restarted, then "keys reseal" seals everything with the new key. Keep the file
apart from the database, and keep copies of both.

The keys that tenants' clients present are something else: see
"poolkeeper apikey".`)
	cmd.AddCommand(c.keysGenerateCommand(), c.keysRotateCommand(), c.keysResealCommand())
	return cmd
}

func (c *console) keysGenerateCommand() *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "generate",
		Short: "Make a new keyset",
		Long: `Make a new keyset. With --output it goes to a file that only its owner may read,
and that must not be there yet; else to the standard output.`,
		Example: "  poolkeeper keys generate --output keyset.json",
		Args:    noArgs,
		RunE: func(*cobra.Command, []string) error {
			keyset, err := seal.Generate()
			if err != nil {
				return err
			}
			if output == "" || output == "-" {
				_, err := io.WriteString(c.app.Stdout, keyset.Reveal()+"\n")
				return err
			}
			if err := newSecretFile(output, keyset); err != nil {
				return err
			}
			return c.keyset(output, fmt.Sprintf("a new keyset is in %s; name it in control.keyset as file:%s", output, output))
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "", "the `FILE` to write")
	return cmd
}

func (c *console) keysRotateCommand() *cobra.Command {
	var path string
	cmd := &cobra.Command{
		Use:   "rotate --keyset FILE",
		Short: "Add a new primary key to a keyset file; older keys go on opening",
		Long: `Add a new primary key to a keyset file; older keys go on opening what they
sealed. Give the file to every server and restart them, then run "keys reseal".`,
		Example: "  poolkeeper keys rotate --keyset keyset.json",
		Args:    noArgs,
		RunE: func(*cobra.Command, []string) error {
			if path == "" {
				return usageError{errors.New("name the keyset's file: --keyset FILE")}
			}
			if err := rotateKeyset(path); err != nil {
				return err
			}
			return c.keyset(path, path+" has a new primary key; restart every server with it, then run: poolkeeper keys reseal")
		},
	}
	cmd.Flags().StringVar(&path, "keyset", "", "the keyset's `FILE`")
	return cmd
}

// keyset says where the keyset is.
func (c *console) keyset(path, sentence string) error {
	if c.json {
		return c.printValue(map[string]string{"file": path})
	}
	c.say("%s", sentence)
	return nil
}

func (c *console) keysResealCommand() *cobra.Command {
	var noWait bool
	cmd := &cobra.Command{
		Use:     "reseal",
		Short:   "Seal every secret in the control database anew, with the primary key",
		Example: "  poolkeeper keys reseal",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.with(cmd, func(ctx context.Context, client *adminapi.Client) error {
				end, err := c.work(ctx, client, adminapi.Call{Method: http.MethodPost, Path: []string{"keys", "reseal"}}, noWait)
				if err != nil || end.running {
					return err
				}
				var op adminwire.Operation
				if op, err = operationOf(ctx, client, end); err != nil {
					return err
				}
				if c.json {
					return c.printValue(op)
				}
				c.say("every secret is sealed with the primary key")
				return nil
			})
		},
	}
	noWaitFlag(cmd, &noWait)
	return cmd
}
