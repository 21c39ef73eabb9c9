package main

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/poolkeeper/poolkeeper/cmd/poolkeeper/adminapi"
	"github.com/poolkeeper/poolkeeper/server/adminwire"
)

// severities, the worst first.
func severities() []string { return []string{"error", "warning", "info"} }

func (c *console) doctorCommand() *cobra.Command {
	least := "info"
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Check the configuration against the servers, and say what to do",
		Long: `Check the configuration against the servers, and say what to do: budgets that do
not fit, privileges that are missing, a pooler in between, tables that public
shadows, schemas without a record, tenants that are behind, clusters that cannot
be reached. The exit code is 1 when an error was found; warnings alone are 0.`,
		Example: "  poolkeeper doctor\n  poolkeeper doctor --severity error\n  poolkeeper doctor --direct --config config.yaml",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !slices.Contains(severities(), least) {
				return usageError{fmt.Errorf("--severity %q must be error, warning or info", printable(least))}
			}
			return c.with(cmd, func(ctx context.Context, client *adminapi.Client) error {
				return c.doctor(ctx, client, least)
			})
		},
	}
	cmd.Flags().StringVar(&least, "severity", least, "show those that are at least so `bad`: error, warning, info")
	c.complete(cmd, "severity", fixed(severities()...))
	return cmd
}

func (c *console) doctor(ctx context.Context, client *adminapi.Client, least string) error {
	answer, err := client.Do(ctx, adminapi.Call{Method: http.MethodPost, Path: []string{"doctor"}})
	if err != nil {
		return err
	}
	var report adminwire.DoctorReport
	if err := answer.Into(&report); err != nil {
		return err
	}
	errors := countOf(report, "error")
	report.Findings = slices.DeleteFunc(report.Findings, func(f adminwire.Finding) bool {
		return slices.Index(severities(), f.Severity) > slices.Index(severities(), least)
	})
	if c.json {
		err = c.printValue(report)
	} else {
		c.printReport(report)
	}
	if err == nil && errors > 0 {
		err = exitError{exitFailed, fmt.Errorf("the doctor found %s", count(errors, "error"))}
	}
	return err
}

func countOf(report adminwire.DoctorReport, severity string) int {
	n := 0
	for _, f := range report.Findings {
		if f.Severity == severity {
			n++
		}
	}
	return n
}

// printReport gives every finding a paragraph, the worst first.
func (c *console) printReport(report adminwire.DoctorReport) {
	for _, severity := range severities() {
		for _, f := range report.Findings {
			if f.Severity != severity {
				continue
			}
			c.say("%s", c.wrapped(strings.ToUpper(f.Severity)+"  "+f.Subject+": "+f.Message))
			if f.Remedy != "" {
				c.say("%s", c.wrapped("what to do: "+f.Remedy))
			}
			c.say("")
		}
	}
	c.say("%s", c.wrapped("checked: "+strings.Join(report.Checked, ", ")))
	c.say("%s, %s", count(countOf(report, "error"), "error"), count(countOf(report, "warning"), "warning"))
}
