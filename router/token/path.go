package token

import (
	"errors"
	"slices"
	"strings"
)

// A path leads through the objects of the claims.
type path []string

var errPath = errors.New("is no path to a claim; write names separated by dots, such as app_metadata.tenant, " +
	"or a JSON pointer, such as /https:~1~1example.com~1tenant")

// parsePath reads names separated by dots or, where the text begins with a
// slash, a JSON pointer (RFC 6901).
func parsePath(text string) (path, error) {
	pointer, isPointer := strings.CutPrefix(text, "/")
	p := path(strings.Split(text, "."))
	if isPointer {
		p = strings.Split(pointer, "/")
		for i, name := range p {
			p[i] = strings.ReplaceAll(strings.ReplaceAll(name, "~1", "/"), "~0", "~")
		}
	}
	if slices.Contains(p, "") {
		return nil, errPath
	}
	return p, nil
}

// in returns what the path leads to, nil when it leads nowhere. Lists are not
// entered: which of several tenants would be meant?
func (p path) in(claims map[string]any) any {
	var at any = claims
	for _, name := range p {
		object, ok := at.(map[string]any)
		if !ok {
			return nil
		}
		at = object[name]
	}
	return at
}

// words are those of a text, or of a list of texts; nil for anything else.
func words(value any) []string {
	switch v := value.(type) {
	case string:
		return strings.Fields(v)
	case []any:
		var all []string
		for _, one := range v {
			text, ok := one.(string)
			if !ok {
				return nil
			}
			all = append(all, text)
		}
		return all
	default:
		return nil
	}
}
