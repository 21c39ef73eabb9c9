package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/poolkeeper/poolkeeper/cmd/poolkeeper/adminapi"
	"github.com/poolkeeper/poolkeeper/registry"
)

// What the commands of operators read from the environment.
const (
	envServer = "POOLKEEPER_SERVER"
	envToken  = "POOLKEEPER_TOKEN"
)

const defaultServer = "http://127.0.0.1:8081"

// console is what the commands of operators share: where the admin API is, and
// how they print.
type console struct {
	app                       *App
	server, tokenFrom, config string
	tls                       clientTLS
	direct, json, noColor     bool
}

// operate adds the commands of operators, and shell completion.
func (a *App) operate(root *cobra.Command) {
	c := &console{app: a}
	flags := root.PersistentFlags()
	flags.StringVar(&c.server, "server", "", "the admin API's `URL` (default "+envServer+", or "+defaultServer+")")
	flags.StringVar(&c.tokenFrom, "token-from", "", "where the token for it is: `env:NAME|file:PATH` (default env:"+envToken+", if set)")
	c.tls.flags(flags)
	flags.BoolVar(&c.direct, "direct", false, "work on the databases of --config, without a running server")
	flags.BoolVar(&c.json, "json", false, "print the API's JSON")
	flags.BoolVar(&c.noColor, "no-color", false, "print no colors")
	commands := []*cobra.Command{
		c.tenantCommand(), c.applyCommand(), c.migrateCommand(), c.poolsCommand(), c.clustersCommand(),
		c.doctorCommand(), c.apikeyCommand(), c.keysCommand(), c.auditCommand(), c.operationsCommand(),
	}
	for _, cmd := range commands {
		cmd.PersistentFlags().StringVarP(&c.config, "config", "c", "config.yaml", "with --direct: the configuration `file`")
	}
	root.AddCommand(commands...)
	root.CompletionOptions.DisableDefaultCmd = false
	completeNamed(root)
	keepFromOthers(root, commands)
}

// keepFromOthers keeps the flags of the operators' commands out of the help of
// commands that have no use for them, and refuses them there.
func keepFromOthers(root *cobra.Command, operators []*cobra.Command) {
	names := []string{"server", "token-from", "ca", "cert", "key", "direct", "json", "no-color"}
	useful := func(cmd *cobra.Command) bool {
		for cmd.HasParent() && cmd.Parent() != root {
			cmd = cmd.Parent()
		}
		return cmd == root || slices.Contains(operators, cmd)
	}
	help := root.HelpFunc()
	root.SetHelpFunc(func(cmd *cobra.Command, args []string) {
		for _, name := range names {
			root.PersistentFlags().Lookup(name).Hidden = !useful(cmd)
		}
		help(cmd, args)
	})
	root.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error {
		for _, name := range names {
			if name != "no-color" && root.PersistentFlags().Changed(name) && !useful(cmd) { // who has none wants none
				return usageError{fmt.Errorf("%s has no use for --%s", cmd.CommandPath(), name)}
			}
		}
		return nil
	}
}

// with connects, runs do, and gives what went wrong its exit code.
func (c *console) with(cmd *cobra.Command, do func(ctx context.Context, client *adminapi.Client) error) error {
	ctx := cmd.Context()
	client, closing, err := c.connect(ctx)
	if err == nil {
		err = do(ctx, client)
		if failed := closing(); err == nil {
			err = failed
		}
	}
	if err != nil && ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return exitError{exitFailed, errors.New("stopped")}
	}
	return c.coded(cmd, err)
}

// connect makes the client; closing ends what it needed.
func (c *console) connect(ctx context.Context) (client *adminapi.Client, closing func() error, err error) {
	if c.direct {
		return c.connectDirect(ctx)
	}
	cfg := adminapi.Config{Server: c.address()}
	if strings.Contains(cfg.Server, "@") { // what stands before it may be a password, which nobody repeats
		return nil, nil, usageError{fmt.Errorf("--server must be a URL without a login, such as %s; --token-from says where the token is", defaultServer)}
	}
	if cfg.Token, err = c.token(); err != nil {
		return nil, nil, err
	}
	if !cfg.Token.IsZero() && exposed(cfg.Server) {
		fmt.Fprintln(c.app.Stderr, "warning: the token travels unencrypted; https would hide it")
	}
	// One command, one connection, that ends with it.
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true}
	if transport.TLSClientConfig, err = c.secured(cfg.Server); err != nil {
		return nil, nil, err
	}
	cfg.Transport = transport
	closing = func() error {
		transport.CloseIdleConnections()
		return nil
	}
	client, err = adminapi.New(cfg)
	if errors.Is(err, adminapi.ErrServer) {
		err = usageError{fmt.Errorf("--server %q must be a URL such as %s", cfg.Server, defaultServer)}
	}
	return client, closing, err
}

func (c *console) connectDirect(ctx context.Context) (*adminapi.Client, func() error, error) {
	if c.server != "" || c.tokenFrom != "" || c.tls.given() {
		return nil, nil, usageError{errors.New("--direct works without a server; leave out --server, --token-from, --ca, --cert and --key")}
	}
	transport, closing, err := c.app.direct(ctx, c.config)
	if err != nil {
		return nil, nil, err
	}
	client, err := adminapi.New(adminapi.Config{Server: "http://localhost", Transport: transport})
	if err != nil {
		return nil, nil, errors.Join(err, closing())
	}
	return client, closing, nil
}

func (c *console) address() string {
	address := c.server
	if address == "" {
		address = c.app.getenv(envServer)
	}
	if address == "" {
		address = defaultServer
	}
	return address
}

func (c *console) token() (registry.Secret, error) {
	if c.tokenFrom != "" {
		return c.app.secretFrom("--token-from", c.tokenFrom)
	}
	return registry.NewSecret(c.app.getenv(envToken)), nil
}

// exposed reports whether what is sent to the server can be read on the way.
func exposed(server string) bool {
	u, err := url.Parse(server)
	if err != nil || u.Scheme != "http" {
		return false
	}
	host := u.Hostname()
	return host != "localhost" && host != "::1" && !strings.HasPrefix(host, "127.")
}

// getenv reads the app's environment, in which the last value of a name counts.
func (a *App) getenv(name string) string {
	value := ""
	for _, entry := range a.Env {
		if v, found := strings.CutPrefix(entry, name+"="); found {
			value = v
		}
	}
	return value
}

// secretFrom reads what a flag refers to. The secret itself is not taken: what
// stands on a command line can be read by everybody on the machine.
func (a *App) secretFrom(flag, reference string) (registry.Secret, error) {
	if name, ok := strings.CutPrefix(reference, "env:"); ok {
		value := a.getenv(name)
		if value == "" {
			return registry.Secret{}, usageError{fmt.Errorf("%s names the environment variable %s, which is not set", flag, name)}
		}
		return registry.NewSecret(value), nil
	}
	if !strings.HasPrefix(reference, "file:") {
		return registry.Secret{}, usageError{fmt.Errorf("%s must be env:NAME or file:PATH", flag)}
	}
	secret, err := registry.NewSecret(reference).Resolve("")
	if err != nil {
		return secret, usageError{fmt.Errorf("%s %w", flag, err)}
	}
	return secret, nil
}
