package report

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
)

// Machine is what the run was made on.
type Machine struct {
	CPU    string  `json:"cpu"`
	Cores  int     `json:"cores"`
	RAM    int64   `json:"ram_bytes"`
	System string  `json:"system"`
	Load   float64 `json:"load_before"` // of the last minute, when the run began
}

func (m Machine) String() string {
	return fmt.Sprintf("%s, %d cores, %.0f GB, %s; load %.2f before the run", m.CPU, m.Cores, float64(m.RAM)/(1<<30), m.System, m.Load)
}

// ThisMachine describes the machine, as far as it tells.
func ThisMachine() Machine {
	load, _, _ := strings.Cut(procFile("/proc/loadavg"), " ")
	busy, _ := strconv.ParseFloat(load, 64) // 0 where there is none
	kb, _ := strconv.ParseInt(strings.TrimSuffix(field("/proc/meminfo", "MemTotal"), " kB"), 10, 64)
	kernel := strings.TrimSpace(procFile("/proc/sys/kernel/osrelease"))
	return Machine{
		CPU:   cmp.Or(field("/proc/cpuinfo", "model name"), "unknown processor"),
		Cores: runtime.NumCPU(), RAM: kb << 10,
		System: strings.TrimSpace(runtime.GOOS + "/" + runtime.GOARCH + " " + kernel), Load: busy,
	}
}

func procFile(path string) string {
	text, _ := os.ReadFile(path) //nolint:gosec // a path of ours; empty where the system has none
	return string(text)
}

// field returns the first value of a name in a file of "name : value" lines.
func field(path, name string) string {
	lines := bufio.NewScanner(bytes.NewBufferString(procFile(path)))
	for lines.Scan() {
		if key, value, ok := strings.Cut(lines.Text(), ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// Versions of Go and of the driver, from what the program was built of.
func Versions() map[string]string {
	versions := map[string]string{"go": runtime.Version()}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, dep := range info.Deps {
			if dep.Path == "github.com/jackc/pgx/v5" {
				versions["pgx"] = dep.Version
			}
		}
	}
	return versions
}

// Commit is what was built, "+" at its end when files had changed since.
// "go run" stamps nothing, so git is asked.
func Commit(ctx context.Context) string {
	head, err := exec.CommandContext(ctx, "git", "rev-parse", "--short=12", "HEAD").Output()
	if err != nil {
		return "unknown"
	}
	commit := strings.TrimSpace(string(head))
	changed, err := exec.CommandContext(ctx, "git", "status", "--porcelain", "--untracked-files=no").Output()
	if err != nil || len(changed) > 0 {
		commit += "+"
	}
	return commit
}
