package main

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

func itoa(n int) string { return strconv.Itoa(n) }

func TestEveryRefusalIsOneSentenceAndAnExitCode(t *testing.T) {
	t.Parallel()
	taken, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = taken.Close() })
	dir := t.TempDir()
	blocked := write(t, filepath.Join(dir, "file"), "")
	two := write(t, filepath.Join(dir, "two.yaml"), `
router: {resolvers: [path]}
clusters:
  one: {dsn: "postgres://app@127.0.0.1:1/app"}
  two: {dsn: "postgres://app@127.0.0.1:2/app"}
`)
	foreign := write(t, filepath.Join(dir, "foreign.yaml"), `
router: {resolvers: [path]}
clusters: {main: {dsn: "postgres://app@127.0.0.1:1/app"}}
tenants: {acme: {cluster: main, isolation: database, dsn: "postgres://acme:hunter2@127.0.0.1:1/acme"}}
`)
	served := write(t, filepath.Join(dir, "served.yaml"), `
server: {listen: "`+taken.Addr().String()+`"}
router: {resolvers: [path]}
clusters: {main: {dsn: "postgres://app@127.0.0.1:1/app"}}
`)
	oldBin := dataFolder(t)
	for _, program := range []string{"initdb", "postgres"} {
		path := write(t, filepath.Join(oldBin, program), "#!/bin/sh\necho \""+program+" (PostgreSQL) 9.6.24\"\n")
		if err := os.Chmod(path, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	dev := func(args ...string) []string {
		return append([]string{"dev", "--config", demo, "--data", dataFolder(t)}, args...)
	}
	for name, c := range map[string]struct {
		args []string
		code int
		want []string
	}{
		"port in use":               {dev("--listen", taken.Addr().String()), 1, []string{taken.Addr().String(), "in use"}},
		"port in use by serve":      {[]string{"serve", "--config", served}, 1, []string{"server.listen", taken.Addr().String(), "in use"}},
		"admin port in use":         {dev("--listen", "127.0.0.1:0", "--admin-listen", taken.Addr().String()), 1, []string{taken.Addr().String(), "in use"}},
		"no address":                {dev("--listen", "8080"), 1, []string{`"8080" is not an address`}},
		"no rights on the data":     {[]string{"dev", "--config", demo, "--data", blocked}, 1, []string{blocked}},
		"old PostgreSQL":            {dev("--postgres-bin", oldBin), 1, []string{"9.6.24", "15 or later"}},
		"no PostgreSQL there":       {dev("--postgres-bin", dir), 1, []string{dir, "initdb"}},
		"server that does not run":  {dev("--postgres", "postgres://postgres:x@127.0.0.1:1/postgres"), 1, []string{"127.0.0.1:1"}},
		"DSN that is none":          {dev("--postgres", "host=127.0.0.1"), 1, []string{"--postgres must be a connection string"}},
		"two clusters":              {[]string{"dev", "--config", two, "--data", dir}, 1, []string{"one cluster", "names 2"}},
		"tenant with a dsn":         {[]string{"dev", "--config", foreign, "--data", dir}, 1, []string{"tenant acme has a dsn of its own"}},
		"no configuration":          {[]string{"serve", "--config", filepath.Join(dir, "none.yaml")}, 1, []string{"there is no such file"}},
		"unknown flag":              {[]string{"serve", "--lisen", "x"}, 2, []string{"unknown flag: --lisen", "--help"}},
		"unknown command":           {[]string{"serv"}, 2, []string{`unknown command "serv"`, "serve"}},
		"unknown command of config": {[]string{"config", "chek"}, 2, []string{`unknown command "chek"`}},
		"argument too many":         {[]string{"version", "please"}, 2, []string{"please"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			code, stdout, stderr := execute(t, nil, c.args...)
			if code != c.code || stdout != "" {
				t.Errorf("exit code %d, stdout %q", code, stdout)
			}
			for _, want := range c.want {
				if !strings.Contains(stderr, want) {
					t.Errorf("%q is missing", want)
				}
			}
			if strings.Contains(stderr, "goroutine ") || strings.Contains(stderr, ".go:") || (c.code == exitFailed && strings.Count(stderr, "\n") > 1) {
				t.Error("that is more than a sentence")
			}
			t.Log(stderr)
		})
	}
}

func TestCtrlCBeforeItServesStopsItToo(t *testing.T) {
	t.Parallel()
	data := dataFolder(t)
	ctx, cancel := context.WithCancel(t.Context())
	var stdout, stderr output
	app := &App{Stdout: &stdout, Stderr: &stderr}
	pid := make(chan int, 1)
	go func() {
		defer cancel()
		pid <- waitForPostmaster(ctx, data)
	}()
	code := app.Run(ctx, []string{"dev", "--config", demo, "--data", data, "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"})
	if code != exitFailed || stdout.String() != "" || !strings.Contains(stderr.String(), "stopped before it served") {
		t.Errorf("%d %q %q", code, stdout.String(), stderr.String())
	}
	if n := <-pid; n == 0 || !errors.Is(syscall.Kill(n, 0), syscall.ESRCH) {
		t.Errorf("PostgreSQL, process %d, was left behind", n)
	}
}

// waitForPostmaster returns the process of dev's PostgreSQL as soon as there
// is one.
func waitForPostmaster(ctx context.Context, data string) int {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return 0
		case <-tick.C:
			text, err := os.ReadFile(filepath.Join(data, "postgresql", "data", "postmaster.pid"))
			if err != nil {
				continue
			}
			if pid, err := strconv.Atoi(strings.SplitN(string(text), "\n", 2)[0]); err == nil {
				return pid
			}
		}
	}
}

func TestARunningServerThatIsTooOldIsRefused(t *testing.T) {
	t.Parallel()
	if err := checkVersion("the PostgreSQL at db", "14.23", 140023); err == nil ||
		err.Error() != "the PostgreSQL at db is version 14.23, but 15 or later is needed" {
		t.Errorf("version 14: %v", err)
	}
	if err := checkVersion("the PostgreSQL at db", "15.0", 150000); err != nil {
		t.Errorf("version 15: %v", err)
	}
}

func TestConfigCheckTellsByItsExitCode(t *testing.T) {
	t.Parallel()
	code, stdout, stderr := execute(t, nil, "config", "check", "-c", demo)
	if code != 0 || stdout != demo+" is right: 4 tenants on 1 cluster\n" || stderr != "" {
		t.Errorf("%d %q %q", code, stdout, stderr)
	}
	bad := write(t, filepath.Join(t.TempDir(), "bad.yaml"), "server:\n  lisen: x\n")
	code, stdout, stderr = execute(t, nil, "config", "check", "--config", bad)
	if code != 1 || stdout != "" || !strings.Contains(stderr, bad+":2: server.lisen: is no setting; did you mean listen?\n") {
		t.Errorf("%d %q %q", code, stdout, stderr)
	}
	code, _, stderr = execute(t, []string{"POOLKEEPER_POOLS_QUEUE=lots"}, "config", "check", "-c", demo)
	if code != 1 || !strings.Contains(stderr, "POOLKEEPER_POOLS_QUEUE") {
		t.Errorf("%d %q", code, stderr)
	}
}

func TestConfigShowHidesSecretsAndNamesOrigins(t *testing.T) {
	t.Parallel()
	code, stdout, stderr := execute(t, []string{"POOLKEEPER_SERVER_SCRAPE_TOKEN=hunter2"}, "config", "show", "-c", demo)
	if code != 0 || stderr != "" || strings.Contains(stdout, "hunter2") {
		t.Errorf("%d %q\n%s", code, stderr, stdout)
	}
	for _, want := range []string{
		"scrape_token: '[secret]' # env POOLKEEPER_SERVER_SCRAPE_TOKEN\n", "max_pools: 1000 # default\n", "resolvers: [path, header] # file\n",
	} {
		if !strings.Contains(stdout, want) {
			t.Errorf("%q is missing in\n%s", want, stdout)
		}
	}
}

func TestVersionAndHelpArePrinted(t *testing.T) {
	t.Parallel()
	code, stdout, _ := execute(t, nil, "version")
	if code != 0 || !strings.HasPrefix(stdout, "poolkeeper ") || !strings.Contains(stdout, "\ngo1.") {
		t.Errorf("%d %q", code, stdout)
	}
	for _, args := range [][]string{{}, {"--help"}, {"config"}, {"dev", "--help"}, {"serve", "--help"}} {
		code, stdout, stderr := execute(t, nil, args...)
		if code != 0 || !strings.Contains(stdout, "Usage:") || stderr != "" {
			t.Errorf("%v: %d %q %q", args, code, stdout, stderr)
		}
	}
}
