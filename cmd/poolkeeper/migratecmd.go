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

func (c *console) migrateCommand() *cobra.Command {
	cmd := group("migrate", "Migrate tenants: up, down, status, plan",
		`Migrate tenants: up, down, status, plan. Tenants are done side by side, each
behind a lock of its own; one that fails is reported, and the others go on.
Doing it again goes on with those that are left.`)
	cmd.AddCommand(c.migrateUpCommand(), c.migrateDownCommand(), c.migratePlanCommand(), c.migrateStatusCommand())
	return cmd
}

// whoFlags say who is to be migrated.
func (c *console) whoFlags(cmd *cobra.Command, r *adminwire.MigrateRequest) {
	flags := cmd.Flags()
	flags.StringSliceVar(&r.Tenants, "tenant", nil, "only this tenant `ID`; repeat for more (default all that are behind)")
	flags.StringSliceVar(&r.Canary, "canary", nil, "first this tenant `ID`, repeat for more; the rest only if all of them pass")
	flags.BoolVar(&r.OnlyFailed, "only-failed", false, "only those whose last migration failed")
	c.complete(cmd, "tenant", c.tenantIDs)
	c.complete(cmd, "canary", c.tenantIDs)
}

func runFlags(cmd *cobra.Command, r *adminwire.MigrateRequest, noWait *bool) {
	cmd.Flags().IntVar(&r.Workers, "workers", 0, "how many tenants side by side (default what the budgets leave room for)")
	noWaitFlag(cmd, noWait)
}

func (c *console) migrateUpCommand() *cobra.Command {
	r := adminwire.MigrateRequest{Direction: "up"}
	var noWait bool
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Apply the migrations that tenants lack",
		Long: `Apply the migrations that tenants lack. The exit code is 3 when some tenants
failed and others did not.`,
		Example: `  poolkeeper migrate up
  poolkeeper migrate up --canary acme --canary globex
  poolkeeper migrate up --only-failed --workers 8`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.migrate(cmd, r, noWait) },
	}
	c.whoFlags(cmd, &r)
	runFlags(cmd, &r, &noWait)
	return cmd
}

func (c *console) migrateDownCommand() *cobra.Command {
	r := adminwire.MigrateRequest{Direction: "down"}
	var noWait bool
	cmd := &cobra.Command{
		Use:   "down --run OPERATION",
		Short: "Undo what one run of migrate up has applied",
		Long: `Undo what one run of migrate up has applied: each of its tenants goes back to the
version that it had before, by the "down" part of the files.`,
		Example: "  poolkeeper migrate down --run 0000000042\n  poolkeeper migrate down --run 0000000042 --tenant acme",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if r.Run == "" {
				return usageError{errors.New(`name the run to undo: --run OPERATION; "poolkeeper operations list" has its id`)}
			}
			return c.migrate(cmd, r, noWait)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&r.Run, "run", "", "the `OPERATION` whose migrations are undone")
	c.complete(cmd, "run", c.operationIDs)
	flags.StringSliceVar(&r.Tenants, "tenant", nil, "only this tenant `ID` of the run; repeat for more")
	c.complete(cmd, "tenant", c.tenantIDs)
	runFlags(cmd, &r, &noWait)
	return cmd
}

func migrateCall(r adminwire.MigrateRequest) adminapi.Call {
	return adminapi.Call{Method: http.MethodPost, Path: []string{"migrations"}, Body: r}
}

func (c *console) migrate(cmd *cobra.Command, r adminwire.MigrateRequest, noWait bool) error {
	if err := checkIDs(append(append([]string(nil), r.Tenants...), r.Canary...)...); err != nil {
		return err
	}
	return c.with(cmd, func(ctx context.Context, client *adminapi.Client) error {
		end, err := c.work(ctx, client, migrateCall(r), noWait)
		if err != nil || end.running {
			return err
		}
		op, err := operationOf(ctx, client, end)
		if err != nil {
			return err
		}
		if c.json {
			err = c.printValue(op)
		} else {
			err = c.printMigrated(op, r.Direction)
		}
		if err != nil {
			return err
		}
		return c.printFailures(op)
	})
}

func (c *console) printMigrated(op adminwire.Operation, direction string) error {
	var result adminwire.MigrationResult
	if len(op.Result) > 0 {
		if err := (adminapi.Answer{Body: op.Result}).Into(&result); err != nil {
			return err
		}
	}
	if result.Migrated+result.Failed+result.Skipped == 0 {
		c.say("nothing to do")
		return nil
	}
	verb := map[string]string{"up": "applied", "down": "undone"}[direction]
	parts := []string{count(result.Migrated, "tenant") + " migrated"}
	if result.Failed > 0 {
		parts = append(parts, fmt.Sprintf("%d failed", result.Failed))
	}
	if result.Skipped > 0 {
		parts = append(parts, fmt.Sprintf("%d left alone after a canary failed", result.Skipped))
	}
	took := (time.Duration(result.TookMS) * time.Millisecond).Round(10 * time.Millisecond)
	c.say("%s; %s %s in %s", strings.Join(parts, ", "), count(result.Applied, "file"), verb, took)
	if result.Applied > 0 && direction == "up" && op.ID != "" {
		c.say("undo it with: poolkeeper migrate down --run %s", op.ID)
	}
	return nil
}

func (c *console) migratePlanCommand() *cobra.Command {
	r := adminwire.MigrateRequest{Direction: "up", DryRun: true}
	cmd := &cobra.Command{
		Use:     "plan",
		Short:   "Show which tenants would get which migrations",
		Example: "  poolkeeper migrate plan\n  poolkeeper migrate plan --tenant acme",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if r.Run != "" {
				r.Direction = "down"
			}
			return c.with(cmd, func(ctx context.Context, client *adminapi.Client) error {
				return c.planMigrations(ctx, client, r)
			})
		},
	}
	c.whoFlags(cmd, &r)
	cmd.Flags().StringVar(&r.Run, "run", "", "plan to undo this `OPERATION`")
	c.complete(cmd, "run", c.operationIDs)
	return cmd
}

func (c *console) planMigrations(ctx context.Context, client *adminapi.Client, r adminwire.MigrateRequest) error {
	if err := checkIDs(append(append([]string(nil), r.Tenants...), r.Canary...)...); err != nil {
		return err
	}
	answer, err := client.Do(ctx, migrateCall(r))
	if err != nil || c.json {
		return c.orJSON(answer, err)
	}
	var plan adminwire.MigrationPlan
	if err := answer.Into(&plan); err != nil {
		return err
	}
	if len(plan.Tenants) == 0 {
		c.say("nothing to do")
		return nil
	}
	files := 0
	t := c.table("TENANT", "FROM", "FILES")
	for _, p := range plan.Tenants {
		files += len(p.Files)
		from := "?"
		if p.From >= 0 {
			from = fmt.Sprint(p.From)
		}
		t.row(p.Tenant, from, listed(p.Files))
	}
	if err := t.end(); err != nil {
		return err
	}
	c.say("\n%s, %s", count(len(plan.Tenants), "tenant"), count(files, "file"))
	return nil
}

// listed names a few files, and how many more there are.
func listed(files []string) string {
	const most = 3
	if len(files) <= most {
		return strings.Join(files, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(files[:most-1], ", "), len(files)-most+1)
}
