package pgtest

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// dieWithUs has the kernel give the child PostgreSQL's fast shutdown when our
// process ends, however it ends.
func dieWithUs(attr *syscall.SysProcAttr) { attr.Pdeathsig = syscall.SIGINT }

// watchOver is for systems without dieWithUs.
func watchOver(context.Context, account, *process) error { return nil }

// childrenOf lists the processes whose parent is pid.
func childrenOf(pid int) []int {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat") // the pattern is constant
	var children []int
	for _, stat := range stats {
		fields := statFields(stat)
		if len(fields) < 2 || fields[1] != strconv.Itoa(pid) {
			continue
		}
		if child, err := strconv.Atoi(filepath.Base(filepath.Dir(stat))); err == nil {
			children = append(children, child)
		}
	}
	return children
}

// statFields returns the fields of /proc/N/stat from the state on: what stands
// before, in brackets, is the program's name, which may contain anything.
func statFields(path string) []string {
	text, err := os.ReadFile(path) //nolint:gosec // a path in /proc
	if err != nil {
		return nil
	}
	return strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
}

// alive reports whether a process has the number; one that has ended and only
// waits to be asked for its result does not count.
func alive(pid int) bool {
	fields := statFields("/proc/" + strconv.Itoa(pid) + "/stat")
	return len(fields) > 0 && fields[0] != "Z" && fields[0] != "X"
}

// commandLine returns the arguments of a process, separated by spaces.
func commandLine(pid int) string {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cmdline")
	if err != nil {
		return ""
	}
	return string(bytes.ReplaceAll(text, []byte{0}, []byte{' '}))
}
