package server

import (
	"encoding/json"
	"log/slog"

	"github.com/gin-gonic/gin"

	"github.com/poolkeeper/poolkeeper/registry"
)

// note writes into the audit trail, where there is one, what was done to the
// running server. What is done to records is written by who does it. id is
// zero for what is no tenant's; detail may be nil, and holds no secret.
func (s *Server) note(c *gin.Context, action string, id registry.ID, detail any) {
	if s.deps.Operator != nil {
		s.deps.Operator.Note(c.Request.Context(), actorOf(c), action, id, detail)
	}
}

// by is who asked, for a line of the log.
func by(c *gin.Context) slog.Attr { return slog.String("actor", string(actorOf(c))) }

// A change is a knob with another value than before.
type change struct {
	name     string
	old, now string // as JSON writes them
}

// changes are the knobs that differ.
func changes(before, after []knob) []change {
	var all []change
	for i := range before {
		if was, is := before[i].text(), after[i].text(); was != is {
			all = append(all, change{after[i].name, was, is})
		}
	}
	return all
}

// logged are changes for the log.
func logged(all []change) slog.Attr {
	attrs := make([]any, len(all))
	for i, c := range all {
		attrs[i] = slog.Group(c.name, slog.String("old", c.old), slog.String("new", c.now))
	}
	return slog.Group("changed", attrs...)
}

// noted are changes for the audit trail.
func noted(all []change) map[string]any {
	detail := map[string]any{}
	for _, c := range all {
		detail[c.name] = map[string]json.RawMessage{"old": json.RawMessage(c.old), "new": json.RawMessage(c.now)}
	}
	return detail
}
