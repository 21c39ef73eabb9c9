package pgtest

import (
	"context"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// HasDump reports whether a pg_dump that is not older than the server can be
// found on this machine. The programs that are fetched have none.
func (s *Server) HasDump(ctx context.Context) bool {
	programs, _ := filepath.Glob("/usr/lib/postgresql/*/bin/pg_dump") // the pattern is well formed
	if path, err := exec.LookPath("pg_dump"); err == nil {
		programs = append(programs, path)
	}
	for _, program := range programs {
		out, err := exec.CommandContext(ctx, program, "--version").Output() //nolint:gosec // a program of PostgreSQL's
		if err == nil && dumpMajor(string(out)) >= s.Version() {
			return true
		}
	}
	return false
}

// dumpMajor reads "pg_dump (PostgreSQL) 15.18 (Debian ...)".
func dumpMajor(text string) int {
	_, rest, _ := strings.Cut(text, ") ")
	number, _, _ := strings.Cut(rest, ".")
	n, err := strconv.Atoi(strings.TrimSpace(number))
	if err != nil {
		return 0
	}
	return n
}
