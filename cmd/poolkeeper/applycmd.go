package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/poolkeeper/poolkeeper/cmd/poolkeeper/adminapi"
	"github.com/poolkeeper/poolkeeper/server/adminwire"
)

// apply are the flags of apply.
type apply struct {
	file        string
	dryRun, yes bool
	text        []byte // of the file
}

func (c *console) applyCommand() *cobra.Command {
	var a apply
	cmd := &cobra.Command{
		Use:   "apply -f FILE",
		Short: "Make the tenants what a file declares, after showing the plan",
		Long: `Make the tenants what a file declares. First comes the plan, with + for a tenant
that is added, ~ for one that changes and - for one that has gone from the file,
which is suspended and keeps its data; then a question, unless --yes answers it.
A tenant that fails is reported, and the others go on. The sections plans and
tenants of the file count: a configuration file is one, unless it has more
tenants in tenants_dir; those a server applies by itself, with onboard.at_start.`,
		Example: "  poolkeeper apply -f tenants.yaml --dry-run\n  poolkeeper apply -f tenants.yaml --yes",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := a.read(cmd.InOrStdin()); err != nil {
				return err
			}
			return c.with(cmd, func(ctx context.Context, client *adminapi.Client) error {
				return c.apply(ctx, cmd, client, a)
			})
		},
	}
	flags := cmd.Flags()
	flags.StringVarP(&a.file, "file", "f", "", "the `FILE` that declares tenants; - is the standard input")
	flags.BoolVar(&a.dryRun, "dry-run", false, "show the plan and do nothing")
	flags.BoolVar(&a.yes, "yes", false, "do not ask")
	return cmd
}

func (a *apply) read(stdin io.Reader) (err error) {
	switch a.file {
	case "":
		return usageError{errors.New("name the file that declares the tenants: -f FILE")}
	case "-":
		a.text, err = io.ReadAll(stdin)
	default:
		a.text, err = os.ReadFile(a.file)
	}
	if err != nil {
		return fmt.Errorf("reading the file: %w", err)
	}
	return nil
}

// call asks for the plan, or for its execution. The file's name is for
// messages.
func (a *apply) call(dryRun bool) adminapi.Call {
	name := filepath.Base(a.file)
	if a.file == "-" {
		name = "stdin"
	}
	return adminapi.Call{
		Method: http.MethodPost, Path: []string{"apply"}, Body: a.text, Type: "application/yaml",
		Query: url.Values{"dry_run": {fmt.Sprint(dryRun)}, "file": {name}},
	}
}

func (c *console) apply(ctx context.Context, cmd *cobra.Command, client *adminapi.Client, a apply) error {
	answer, err := client.Do(ctx, a.call(true))
	if err != nil || c.json && a.dryRun {
		return c.orJSON(answer, err)
	}
	var plan adminwire.ApplyPlan
	if err := answer.Into(&plan); err != nil {
		return err
	}
	if !c.json {
		c.printPlan(plan)
	}
	if len(plan.Changes) == 0 && c.json {
		return c.printJSON(answer.Body)
	}
	if a.dryRun || len(plan.Changes) == 0 {
		return nil
	}
	if err := c.confirmApply(cmd, a); err != nil {
		return err
	}
	end, err := c.work(ctx, client, a.call(false), false)
	if err != nil {
		return err
	}
	op, err := operationOf(ctx, client, end)
	if err != nil {
		return err
	}
	return c.printApplied(op)
}

func (c *console) confirmApply(cmd *cobra.Command, a apply) error {
	if a.yes {
		return nil
	}
	if err := canAsk(cmd, "nobody can be asked here; --yes does it, --dry-run only shows it"); err != nil {
		return err
	}
	typed, err := c.ask(cmd, "\nDo this? Only \"yes\" goes on: ")
	if errors.Is(err, context.Canceled) {
		return exitError{exitFailed, errors.New("stopped; nothing was changed")}
	}
	if err == nil && typed != "yes" {
		err = exitError{exitFailed, errors.New("nothing was changed")}
	}
	return err
}

// planSign is the sign of an action.
func planSign(action string) string {
	switch action {
	case "add":
		return signAdd
	case "suspend":
		return signRemove
	default:
		return signChange
	}
}

func (c *console) printPlan(plan adminwire.ApplyPlan) {
	counts := map[string]int{}
	for _, change := range plan.Changes {
		counts[change.Action]++
		c.say("%s %s%s", c.sign(planSign(change.Action)), printable(change.Tenant), actionNote(change.Action))
		for _, f := range change.Fields {
			c.say("    %s: %s", printable(f.Field), fieldText(f))
		}
		if change.Error != "" {
			c.say("    cannot be done: %s", printable(plain(change.Error, change.Tenant)))
		}
	}
	if len(plan.Changes) == 0 {
		c.say("nothing to do: %s as declared", areThere(plan.Same))
		return
	}
	c.say("\n%d to add, %d to change, %d to suspend, %d to resume; %s as declared",
		counts["add"], counts["change"], counts["suspend"], counts["resume"], areThere(plan.Same))
}

func areThere(n int) string {
	if n == 1 {
		return "1 tenant is"
	}
	return count(n, "tenant") + " are"
}

func actionNote(action string) string {
	switch action {
	case "suspend":
		return " is suspended, its data stays"
	case "resume":
		return " is resumed"
	default:
		return ""
	}
}

func fieldText(f adminwire.FieldChange) string {
	texts := [2]string{printable(f.Old), printable(f.New)}
	if texts[0] == "" && strings.HasPrefix(texts[1], "(") {
		return texts[1] // a secret, which says so itself
	}
	for i, text := range texts {
		if text == "" {
			texts[i] = "(none)"
		}
	}
	return texts[0] + " -> " + texts[1]
}

// printApplied says for each tenant what came of it.
func (c *console) printApplied(op adminwire.Operation) error {
	if c.json {
		if err := c.printValue(op); err != nil {
			return err
		}
		return c.printFailures(op)
	}
	var plan adminwire.ApplyPlan
	if len(op.Result) > 0 {
		if err := (adminapi.Answer{Body: op.Result}).Into(&plan); err != nil {
			return err
		}
	}
	t := newTable(c.app.Stdout)
	done := map[string]string{"add": "added", "change": "changed", "suspend": "suspended", "resume": "resumed"}
	for _, change := range plan.Changes {
		if change.Error != "" {
			t.row("failed", change.Tenant, plain(change.Error, change.Tenant))
			continue
		}
		t.row(done[change.Action], change.Tenant)
	}
	if err := t.end(); err != nil {
		return err
	}
	return failed(op)
}
