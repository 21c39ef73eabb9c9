package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/poolkeeper/poolkeeper/registry"
)

// maxNamed is how much of a name that nobody knows is repeated.
const maxNamed = 64

// An object is a JSON object that may have these members and no others.
type object struct {
	where   string // the member that it is the value of; "" for the body
	verb    string // what is done with members: given, changed
	members []member
}

// A member is a key that an object may have. read's error says what the value
// must be; the key is put before it.
type member struct {
	name string
	read func(raw json.RawMessage) error
}

// read reads body, all of it: unknown keys, keys that come twice and anything
// after the object are refused.
func (o object) read(body []byte) error {
	return eachMember(body, o.where, "; it may have "+o.names(), func(name string, raw json.RawMessage) error {
		i := slices.IndexFunc(o.members, func(m member) bool { return m.name == name })
		if i < 0 {
			return badRequest(fmt.Sprintf("%q cannot be %s here; what can: %s", clip(path(o.where, name), maxNamed), o.verb, o.names()))
		}
		if err := o.members[i].read(raw); err != nil && !isBadRequest(err) {
			return badRequest(path(o.where, name) + " " + err.Error())
		} else if err != nil {
			return err // a nested object's, which names the field
		}
		return nil
	})
}

func (o object) names() string {
	names := make([]string, len(o.members))
	for i, m := range o.members {
		names[i] = m.name
	}
	return strings.Join(names, ", ")
}

// path is how a member is called in an error.
func path(where, name string) string {
	if where == "" {
		return name
	}
	return where + "." + name
}

// eachMember reads a JSON object and nothing else, a key at a time.
func eachMember(body []byte, where, hint string, read func(name string, raw json.RawMessage) error) error {
	what := where
	if where == "" {
		what = "the body"
	}
	in := json.NewDecoder(bytes.NewReader(body))
	if begin, err := in.Token(); err != nil || begin != json.Delim('{') {
		return badRequest(what + " must be a JSON object" + hint)
	}
	seen := map[string]bool{}
	for in.More() {
		name, raw, err := field(in)
		if err != nil {
			return badRequest(what + " is not JSON")
		}
		if err := read(name, raw); err != nil {
			return err
		}
		if seen[name] {
			return badRequest(path(where, name) + " stands in the body twice")
		}
		seen[name] = true
	}
	if _, err := in.Token(); err != nil {
		return badRequest(what + " is not JSON")
	}
	if _, err := in.Token(); !errors.Is(err, io.EOF) {
		return badRequest(what + " must be one JSON object and nothing else")
	}
	return nil
}

// field reads a name and its value.
func field(in *json.Decoder) (name string, raw json.RawMessage, err error) {
	key, err := in.Token()
	if err != nil {
		return "", nil, err
	}
	name, _ = key.(string) // the decoder takes nothing else for a key
	err = in.Decode(&raw)
	return name, raw, err
}

func isNull(raw json.RawMessage) bool { return string(raw) == "null" }

// given reads a value into place; null is the same as leaving it out.
func given[T any](into *T, read func(json.RawMessage) (T, error)) func(json.RawMessage) error {
	return func(raw json.RawMessage) (err error) {
		if !isNull(raw) {
			*into, err = read(raw)
		}
		return err
	}
}

// patched reads a value that is to replace another; null stands for the value
// that nobody has chosen, which is zero.
func patched[T any](into **T, read func(json.RawMessage) (T, error)) func(json.RawMessage) error {
	return func(raw json.RawMessage) error {
		var value T
		if !isNull(raw) {
			var err error
			if value, err = read(raw); err != nil {
				return err
			}
		}
		*into = &value
		return nil
	}
}

// optional reads a value whose absence means something else than its zero.
func optional[T any](into **T, read func(json.RawMessage) (T, error)) func(json.RawMessage) error {
	return func(raw json.RawMessage) error {
		if isNull(raw) {
			return nil
		}
		return patched(into, read)(raw)
	}
}

func readText(raw json.RawMessage) (string, error) {
	var text string
	if json.Unmarshal(raw, &text) != nil {
		return "", errors.New("must be a text")
	}
	if strings.ContainsRune(text, 0) {
		return "", errors.New("contains a NUL, which PostgreSQL cannot take")
	}
	return text, nil
}

func readFlag(raw json.RawMessage) (bool, error) {
	flag := string(raw) == "true"
	if !flag && string(raw) != "false" {
		return false, errors.New("must be true or false")
	}
	return flag, nil
}

func readID(raw json.RawMessage) (registry.ID, error) {
	text, err := readText(raw)
	if err != nil {
		return registry.ID{}, err
	}
	id, err := registry.ParseID(text)
	if err != nil {
		return id, fmt.Errorf("is no tenant id: %w", err)
	}
	return id, nil
}

func readIDs(raw json.RawMessage) ([]registry.ID, error) {
	var items []json.RawMessage
	if json.Unmarshal(raw, &items) != nil {
		return nil, errors.New("must be a list of tenant ids")
	}
	ids := make([]registry.ID, len(items))
	for i, item := range items {
		var err error
		if ids[i], err = readID(item); err != nil {
			return nil, fmt.Errorf("[%d] %w", i, err)
		}
	}
	return ids, nil
}

func readCount(least, most int) func(json.RawMessage) (int, error) {
	return func(raw json.RawMessage) (int, error) {
		n, err := strconv.Atoi(string(raw))
		if err != nil || n < least || n > most {
			return 0, fmt.Errorf("must be a whole number from %d to %d", least, most)
		}
		return n, nil
	}
}

// Bounds of a timeout, as a record has them.
const (
	minLimit = time.Millisecond
	maxLimit = 24 * 24 * time.Hour
)

func readDuration(raw json.RawMessage) (time.Duration, error) {
	var text string
	err := json.Unmarshal(raw, &text)
	d, wrong := time.ParseDuration(text)
	if err != nil || wrong != nil {
		return 0, errors.New(`must be a text such as "500ms", "30s" or "5m"`)
	}
	if d != 0 && (d < minLimit || d > maxLimit) {
		return 0, fmt.Errorf("must be from %s to %s", minLimit, maxLimit)
	}
	return d, nil
}

// readSecret takes a secret as it stands. References are for files: over the
// network they would read what lies on the server.
func readSecret(raw json.RawMessage) (registry.Secret, error) {
	text, err := readText(raw)
	if err != nil {
		return registry.Secret{}, err
	}
	if strings.HasPrefix(text, "env:") || strings.HasPrefix(text, "file:") {
		return registry.Secret{}, errors.New("must be the text itself; env:NAME and file:PATH are for files")
	}
	var s registry.Secret
	err = s.UnmarshalText([]byte(text))
	return s, err
}

// readLabels reads labels; a label that is null is nil, which means that it is
// to be removed.
func readLabels(raw json.RawMessage) (map[string]*string, error) {
	labels := map[string]*string{}
	err := eachMember(raw, "labels", " of texts", func(name string, raw json.RawMessage) error {
		if name == "" || strings.ContainsRune(name, 0) {
			return badRequest("labels has a name that is empty or contains a NUL")
		}
		var value *string
		if err := optional(&value, readText)(raw); err != nil {
			return badRequest(clip("labels."+name, maxNamed) + " " + err.Error())
		}
		labels[name] = value
		return nil
	})
	return labels, err
}
