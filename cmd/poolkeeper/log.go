package main

import (
	"io"
	"log/slog"

	"github.com/poolkeeper/poolkeeper/config"
)

// newLog returns the program's logger, on Stderr: Stdout is for what a user
// asked to see.
func newLog(cfg config.Log, w io.Writer) *slog.Logger {
	options := &slog.HandlerOptions{Level: cfg.SlogLevel()}
	if cfg.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}
