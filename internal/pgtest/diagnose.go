package pgtest

import (
	"fmt"
	"strings"
)

// diagnose turns the last words of initdb or postgres into one sentence of the
// kind they tell about. what says what failed. The programs speak English,
// because they run with LC_ALL=C.
func diagnose(out, what string) error {
	why := lastLine(out)
	if lib := missingLibrary(out); lib != "" {
		return fail(ErrLibrary, fmt.Sprintf("%s: the shared library %s is not installed", what, lib))
	}
	for _, sign := range []struct {
		text string
		kind error
	}{
		{"Address already in use", ErrPortInUse},
		{"database files are incompatible", ErrVersion},
		{`lock file "postmaster.pid" already exists`, ErrInUse},
		{"pre-existing shared memory block", ErrInUse},
		{"has wrong ownership", ErrPermission},
		{"has invalid permissions", ErrPermission},
		{"Permission denied", ErrPermission},
	} {
		if strings.Contains(out, sign.text) {
			return fail(sign.kind, what+": "+why)
		}
	}
	return fail(ErrFailed, what+": "+why)
}

// lastLine returns the last line that says why: the last FATAL or error line
// of a log, else the last line that is not empty.
func lastLine(out string) string {
	last := "it said nothing"
	why := ""
	for line := range strings.Lines(out) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		last = line
		for _, mark := range []string{"FATAL:", "PANIC:", "initdb: error:"} {
			if _, text, ok := strings.Cut(line, mark); ok {
				why = strings.TrimSpace(text)
			}
		}
	}
	if why != "" {
		return why
	}
	return last
}
