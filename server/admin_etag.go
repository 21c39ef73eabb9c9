package server

import (
	"context"
	"net/http"
	"strconv"
	"strings"

	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/control"
)

// etagOf is a record's version as an ETag.
func etagOf(version uint64) string { return `"` + strconv.FormatUint(version, 10) + `"` }

// tags are the ETags of a header. any is "*".
type tags struct {
	all []string
	any bool
}

// parseTags reads an If-Match or If-None-Match header, RFC 9110.
func parseTags(name string, h http.Header) (tags, error) {
	text := strings.TrimSpace(strings.Join(h.Values(name), ","))
	if text == "*" {
		return tags{any: true}, nil
	}
	var t tags
	for text != "" {
		weak := strings.TrimPrefix(text, "W/")
		if !strings.HasPrefix(weak, `"`) {
			return t, badRequest(name + ` must be ETags with their quotes, such as "12", or *`)
		}
		opaque, rest, closed := strings.Cut(weak[1:], `"`)
		rest = strings.TrimLeft(rest, " \t")
		if !closed || rest != "" && rest[0] != ',' {
			return t, badRequest(name + ` must be ETags with their quotes, such as "12", or *`)
		}
		t.all = append(t.all, text[:len(text)-len(weak)]+`"`+opaque+`"`)
		text = strings.TrimLeft(rest, ", \t")
	}
	return t, nil
}

// has reports whether the ETag of a version is among them. A weak one is only
// good enough for reading.
func (t tags) has(version uint64, weakly bool) bool {
	want := etagOf(version)
	for _, tag := range t.all {
		if tag == want || weakly && tag == "W/"+want {
			return true
		}
	}
	return t.any
}

// versionOf returns the version that a change is for: 0 for any.
func (a *admin) versionOf(ctx context.Context, r *http.Request, id registry.ID) (uint64, error) {
	t, err := parseTags("If-Match", r.Header)
	if err != nil || t.any || len(t.all) == 0 {
		return 0, err
	}
	if len(t.all) == 1 {
		if version, err := strconv.ParseUint(strings.Trim(t.all[0], `"`), 10, 64); err == nil && version > 0 {
			return version, nil
		}
	}
	record, err := a.operator.Record(ctx, id)
	if err != nil {
		return 0, &operatorError{err}
	}
	if !t.has(record.Version, false) {
		return 0, &operatorError{control.ErrStale}
	}
	return record.Version, nil
}
