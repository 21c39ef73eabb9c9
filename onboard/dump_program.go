package onboard

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/poolkeeper/poolkeeper/registry"
)

// dumping is one run of pg_dump.
type dumping struct {
	plan    *plan
	as      *pgconn.Config
	role    string // to become; "" for none
	version string // of the server
	dsn     registry.Secret
}

// dump runs pg_dump.
func (p *Provisioner) dump(ctx context.Context, d *dumping, w io.Writer) error {
	program, err := p.dumpProgram(ctx, d.version)
	if err != nil {
		return err
	}
	if p.way.reserve != nil {
		release, err := p.way.reserve(ctx, d.plan.tenant.Cluster)
		if err != nil {
			return fmt.Errorf("a connection for pg_dump: %w", err)
		}
		defer release()
	}
	said, out := &tail{}, &sink{Writer: w}
	cmd := exec.CommandContext(ctx, program, d.arguments()...) //nolint:gosec // the operator's program, with arguments that are names
	cmd.Env, cmd.Stdout, cmd.Stderr = d.environment(), out, said
	// Asked to end, it cancels its query on the server first.
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if out.err != nil { // a disk that is full: the program knows only that nobody reads any more
			return fmt.Errorf("writing the dump: %w", out.err)
		}
		return fmt.Errorf("%s: %w: %s", program, err, said)
	}
	return nil
}

// arguments say what to dump and how. Nothing secret is among them, because
// everybody on the machine can read them.
func (d *dumping) arguments() []string {
	args := []string{
		"--format=custom", "--no-password", "--no-owner", "--no-privileges", "--no-tablespaces",
		"--no-publications", "--no-subscriptions", "--no-security-labels",
	}
	if d.role != "" {
		args = append(args, "--role="+d.role)
	}
	own := d.plan.foreign && d.plan.schema != ""
	if own || d.plan.tenant.Isolation == registry.IsolationSchema && d.plan.schema != "" {
		// Quoted, a pattern stands for itself.
		args = append(args, "--strict-names", "--schema="+quote(d.plan.schema))
	}
	return args
}

// dumpProgram finds a pg_dump that is not older than the server, which it
// could not read.
func (p *Provisioner) dumpProgram(ctx context.Context, server string) (string, error) {
	var seen []string
	for _, program := range p.dumpPrograms() {
		out, err := exec.CommandContext(ctx, program, "--version").Output() //nolint:gosec // the operator's program
		if err != nil {
			seen = append(seen, fmt.Sprintf("%s does not run (%v)", program, err))
			continue
		}
		version := strings.TrimSpace(strings.TrimPrefix(string(out), "pg_dump (PostgreSQL) "))
		if major(version) >= major(server) {
			return program, nil
		}
		seen = append(seen, fmt.Sprintf("%s has version %s", program, version))
	}
	if len(seen) == 0 {
		seen = []string{"none was found"}
	}
	return "", refuse(ErrExport, "the server has version %s and needs a pg_dump that is not older; install one, or name it in onboard.pg_dump: %s", server, strings.Join(seen, ", "))
}

// dumpPrograms lists the candidates: the one that is configured; or that on
// the PATH, and those in the folders of packages, newest first.
func (p *Provisioner) dumpPrograms() []string {
	if p.cfg.PgDump != "" {
		return []string{p.cfg.PgDump}
	}
	var programs []string
	for _, pattern := range []string{"/usr/lib/postgresql/*/bin/pg_dump", "/usr/pgsql-*/bin/pg_dump"} {
		found, _ := filepath.Glob(pattern) // the pattern is well formed
		programs = append(programs, found...)
	}
	slices.SortStableFunc(programs, func(a, b string) int { return cmp.Compare(folderVersion(b), folderVersion(a)) })
	if path, err := exec.LookPath("pg_dump"); err == nil || errors.Is(err, exec.ErrDot) {
		programs = append([]string{path}, programs...)
	}
	return programs
}

// folderVersion is the number in the name of a package's folder.
func folderVersion(program string) int {
	folder := filepath.Base(filepath.Dir(filepath.Dir(program)))
	return major(strings.TrimPrefix(folder, "pgsql-"))
}

// sink keeps the first error of its writer.
type sink struct {
	io.Writer
	err error // read when the program has ended
}

// Write is the writer's.
func (s *sink) Write(p []byte) (int, error) {
	n, err := s.Writer.Write(p)
	if s.err == nil {
		s.err = err
	}
	return n, err
}

// tail keeps the end of what a program says.
type tail struct{ text []byte }

// Write keeps the last two kilobytes.
func (t *tail) Write(p []byte) (int, error) {
	t.text = append(t.text, p...)
	t.text = t.text[max(0, len(t.text)-2048):]
	return len(p), nil
}

// String is in one line.
func (t *tail) String() string { return strings.Join(strings.Fields(string(t.text)), " ") }
