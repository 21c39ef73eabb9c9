package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/poolkeeper/poolkeeper/cmd/poolkeeper/adminapi"
	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/server/adminwire"
)

// planLimit is what stands for "not its own" in the value of a limit.
const planLimit = "default"

// limitFlags are the limits that can be set, and how each is read.
func limitFlags() map[string]func(flag, text string) (any, error) {
	count := func(flag, text string) (any, error) { return countFrom(flag, text) }
	size := func(flag, text string) (any, error) { return sizeFrom(flag, text) }
	duration := func(_, text string) (any, error) { return text, nil } // the server reads it
	return map[string]func(flag, text string) (any, error){
		"max-conns": count, "guaranteed-conns": count, "weight": count, "queue": count,
		"statement-timeout": duration, "idle-in-transaction-timeout": duration, "idle-after": duration,
		"queue-timeout": duration, "rate": rateFrom, "burst": count, "in-flight": count,
		"max-body": size, "max-result": size, "cache-for": duration,
	}
}

func (c *console) tenantSetCommand() *cobra.Command {
	var version uint64
	cmd := &cobra.Command{
		Use:   "set ID",
		Short: "Change a tenant's name, plan, labels or limits",
		Long: `Change a tenant's name, plan, labels or limits. What is not named stays as it
is, whoever else changes it at the same time. A limit that is "default" is the
plan's again.`,
		Example: `  poolkeeper tenant set acme --plan pro --max-conns 8
  poolkeeper tenant set acme --label tier=gold --unlabel trial
  poolkeeper tenant set acme --max-conns default --if-version 42`,
		Args:              arguments("ID"),
		ValidArgsFunction: c.firstTenant,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkIDs(args...); err != nil {
				return err
			}
			patch, err := patchOf(cmd.Flags())
			if err != nil {
				return err
			}
			call := adminapi.Call{
				Method: http.MethodPatch, Path: []string{"tenants", args[0]}, Body: patch,
				Type: "application/merge-patch+json", Version: version,
			}
			return c.with(cmd, func(ctx context.Context, client *adminapi.Client) error {
				return c.changeTenant(ctx, client, call, args[0], false, func(t adminwire.Tenant) string {
					return fmt.Sprintf("%s is changed; it is at version %d now", t.ID, t.Version)
				})
			})
		},
	}
	setFlags(c, cmd, &version)
	return cmd
}

func setFlags(c *console, cmd *cobra.Command, version *uint64) {
	flags := cmd.Flags()
	flags.String("name", "", "what people call it; empty is the id again")
	flags.String("plan", "", "its `plan`; empty is none")
	flags.StringArray("label", nil, "set a label, as `key=value`; repeat for more")
	flags.StringArray("unlabel", nil, "take the label of this `key` away; repeat for more")
	flags.Uint64Var(version, "if-version", 0, "only if it is still at this `version`")
	flags.String("max-conns", "", "most connections, or default (`N|default`)")
	flags.String("guaranteed-conns", "", "connections that nobody takes from it (`N|default`)")
	flags.String("weight", "", "its share of what is left (`N|default`)")
	flags.String("queue", "", "most requests that may wait (`N|default`)")
	flags.String("statement-timeout", "", "longest statement (`30s|default`)")
	flags.String("idle-in-transaction-timeout", "", "longest pause inside a transaction (`30s|default`)")
	flags.String("idle-after", "", "how long a pool without work stays open (`5m|default`)")
	flags.String("queue-timeout", "", "longest that a request waits for a connection (`2s|default`)")
	flags.String("rate", "", "requests a second in the long run (`N|default`)")
	flags.String("burst", "", "requests at once (`N|default`)")
	flags.String("in-flight", "", "most requests under way at the same time (`N|default`)")
	flags.String("max-body", "", "largest body of a request (`512KiB|default`)")
	flags.String("max-result", "", "largest answer (`10MiB|default`)")
	flags.String("cache-for", "", "how long answers to reads may be served again (`10s|default`)")
	c.complete(cmd, "plan", c.planNames)
}

// patchOf makes a merge patch (RFC 7396) of the flags that were given; null
// takes a value away.
func patchOf(flags *pflag.FlagSet) (map[string]any, error) {
	patch, limits := map[string]any{}, map[string]any{}
	var wrong error
	known := limitFlags()
	flags.Visit(func(f *pflag.Flag) {
		read, isLimit := known[f.Name]
		switch {
		case isLimit:
			value, err := limitOf(f, read)
			limits[strings.ReplaceAll(f.Name, "-", "_")] = value
			wrong = errors.Join(wrong, err)
		case f.Name == "name" || f.Name == "plan":
			patch[f.Name] = orNull(f.Value.String())
		}
	})
	labels, err := labelPatch(flags)
	if err = errors.Join(wrong, err); err != nil {
		return nil, usageError{err}
	}
	if len(limits) > 0 {
		patch["limits"] = limits
	}
	if len(labels) > 0 {
		patch["labels"] = labels
	}
	if len(patch) == 0 {
		return nil, usageError{errors.New("nothing to change: name what, such as --plan or --max-conns")}
	}
	return patch, nil
}

func orNull(text string) any {
	if text == "" {
		return nil
	}
	return text
}

func limitOf(f *pflag.Flag, read func(flag, text string) (any, error)) (any, error) {
	text := f.Value.String()
	if text == planLimit {
		return nil, nil //nolint:nilnil // null is the value
	}
	value, err := read(f.Name, text)
	if err != nil {
		return nil, fmt.Errorf("%w, or %s", err, planLimit)
	}
	return value, nil
}

func countFrom(flag, text string) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("--%s %q must be a whole number", flag, printable(text))
	}
	return n, nil
}

func rateFrom(flag, text string) (any, error) {
	rate, err := strconv.ParseFloat(text, 64)
	if err != nil || rate < 0 || math.IsInf(rate, 0) || math.IsNaN(rate) {
		return nil, fmt.Errorf("--%s %q must be a number such as 5 or 0.5", flag, printable(text))
	}
	return rate, nil
}

// sizeFrom reads a number of bytes, with a unit or without.
func sizeFrom(flag, text string) (int64, error) {
	bytes, ok := registry.ParseSize(text)
	if !ok || bytes < 0 {
		return 0, fmt.Errorf("--%s %q must be a number of bytes, such as 65536, 512KiB or 10MiB", flag, printable(text))
	}
	return bytes, nil
}

func labelPatch(flags *pflag.FlagSet) (map[string]any, error) {
	set, _ := flags.GetStringArray("label")
	unset, _ := flags.GetStringArray("unlabel")
	labels, err := labelsOf(set)
	if err != nil {
		return nil, err
	}
	patch := map[string]any{}
	for key, value := range labels {
		patch[key] = value
	}
	for _, key := range unset {
		if _, both := patch[key]; both || key == "" {
			return nil, fmt.Errorf("--unlabel %q must name a key that --label does not set", key)
		}
		patch[key] = nil
	}
	return patch, nil
}
