package main

import (
	"fmt"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// build tells which program this is.
type build struct{ version, revision, goVersion string }

// thisBuild reads what the Go tool wrote into the program. A program built
// from a work tree has the version "devel".
func thisBuild() build {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return build{version: "unknown", revision: "unknown", goVersion: "unknown"}
	}
	b := build{version: info.Main.Version, revision: "unknown", goVersion: info.GoVersion}
	if b.version == "" || b.version == "(devel)" {
		b.version = "devel"
	}
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			b.revision = s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			b.version += " (modified)"
		}
	}
	return b
}

func (a *App) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version, the revision and the Go version it was built with",
		Args:  noArgs,
		RunE: func(*cobra.Command, []string) error {
			b := thisBuild()
			_, err := fmt.Fprintf(a.Stdout, "poolkeeper %s\nrevision %s\n%s\n", b.version, b.revision, b.goVersion)
			return err
		},
	}
}
