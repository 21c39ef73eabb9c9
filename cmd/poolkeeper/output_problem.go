package main

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/poolkeeper/poolkeeper/cmd/poolkeeper/adminapi"
)

// Exit codes of the operators' commands, besides those of every command.
const (
	exitPartly   = 3 // done for some tenants, and not for others
	exitUnknown  = 4 // there is no such tenant, API key, operation, pool or cluster
	exitConflict = 5 // the state of things does not allow it, or has changed meanwhile
)

// An exitError ends the program with an exit code of its own.
type exitError struct {
	code int
	error
}

func (e exitError) Unwrap() error { return e.error }

// coded gives an error its exit code, and those of the client the words of
// somebody at a terminal.
func (c *console) coded(cmd *cobra.Command, err error) error {
	if _, done := errors.AsType[exitError](err); done || err == nil {
		return err
	}
	if problem, ok := errors.AsType[*adminapi.ProblemError](err); ok && problem.Code == "not_found" { // as the data listener says
		return exitError{exitFailed, fmt.Errorf("there is no such thing as was asked for at %s; --server must name the admin API", c.address())}
	} else if ok {
		return exitError{codeOf(problem), errors.New(refusal(cmd, problem))}
	}
	switch {
	case errors.Is(err, adminapi.ErrUnreachable):
		return exitError{exitFailed, fmt.Errorf("%s. %s", sentence(err), advice(c.address(), err))}
	case errors.Is(err, adminapi.ErrForeign):
		return exitError{exitFailed, fmt.Errorf("%s; --server must name the admin API", sentence(err))}
	}
	return err
}

// plain is what the server says of an error without the names of the packages
// that it came through, and without the tenant, which is told beside it.
func plain(text, tenant string) string {
	for _, name := range []string{"onboard: ", "control: ", "registry: ", "tenant " + tenant + ": "} {
		text = strings.TrimPrefix(text, name)
	}
	return text
}

// sentence is an error of the client without the package's name.
func sentence(err error) string { return strings.TrimPrefix(err.Error(), "adminapi: ") }

func codeOf(p *adminapi.ProblemError) int {
	switch {
	case p.Status == http.StatusNotFound || strings.HasSuffix(p.Code, "_unknown"):
		return exitUnknown
	case p.Status == http.StatusConflict && p.Code != "cancelled" || p.Status == http.StatusPreconditionFailed:
		return exitConflict
	case slices.Contains([]string{"name_taken", "tenant_exists", "declared", "state", "busy", "stale", "no_control"}, p.Code):
		return exitConflict
	default:
		return exitFailed
	}
}

// refusal is what the server says, about what was asked for: the command knows
// the names.
func refusal(cmd *cobra.Command, p *adminapi.ProblemError) string {
	ids := named(cmd)
	one := len(ids) == 1 || cmd.Flags().NArg() > 0
	switch {
	case p.Code == "tenant_unknown" && one:
		return fmt.Sprintf("there is no tenant %q", ids[0])
	case p.Code == "tenant_exists" && one:
		return fmt.Sprintf("there is a tenant %q already", ids[len(ids)-1])
	case p.Code == "pool_unknown" && one:
		return fmt.Sprintf("tenant %q has no open pool", ids[0])
	case p.Code == "key_unknown" && cmd.Flags().NArg() > 1:
		id, _ := keyNamed(ids[1]) // it was one when the command began
		return fmt.Sprintf("tenant %q has no API key pk_%s", ids[0], id)
	case p.Code == "operation_unknown" && cmd.Flags().NArg() > 0:
		return fmt.Sprintf("there is no operation %q", printable(ids[0]))
	case p.Code == "operation_unknown" && cmd.Flags().Changed("run"):
		return fmt.Sprintf("there is no operation %q", printable(cmd.Flags().Lookup("run").Value.String()))
	case p.Code == "unauthorized":
		return "the admin API needs one of its tokens: --token-from says where it is, or " + envToken + " has it"
	case p.Code == "bad_request" && p.Detail != "":
		return printable(p.Detail)
	}
	told := *p
	told.Detail = plain(p.Detail, "")
	lines := strings.Split(told.Error(), "\n")
	for i, line := range lines {
		lines[i] = printable(line)
	}
	return strings.Join(lines, "\n")
}

// named are the ids on a command line: its arguments, or else the tenants of
// its flags.
func named(cmd *cobra.Command) []string {
	if args := cmd.Flags().Args(); len(args) > 0 {
		return args
	}
	var ids []string
	for _, flag := range []string{"tenant", "canary"} {
		if values, err := cmd.Flags().GetStringSlice(flag); err == nil {
			ids = append(ids, values...)
		}
	}
	return ids
}
