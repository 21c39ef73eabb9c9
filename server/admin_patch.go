package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/poolkeeper/poolkeeper/router"
)

const (
	// patchMax is the largest body of a change.
	patchMax = 64 << 10
	// maxNamed is how much of a name that nobody knows is repeated.
	maxNamed = 64
)

// A knob is a whole number that an operator may change.
type knob struct {
	name        string
	value       *int
	least, most int
	// zero is how JSON writes 0, such as "auto" with its quotes; "" means as 0.
	zero string
	// otherwise tells of zero in an error.
	otherwise string
}

// text is the value as JSON writes it.
func (k knob) text() string {
	if *k.value == 0 && k.zero != "" {
		return k.zero
	}
	return strconv.Itoa(*k.value)
}

// set reads a value of JSON.
func (k knob) set(raw json.RawMessage) error {
	if k.zero != "" && string(raw) == k.zero {
		*k.value = 0
		return nil
	}
	n, err := strconv.Atoi(string(raw))
	if err != nil || n < k.least || n > k.most {
		return badRequest(fmt.Sprintf("%s must be a whole number from %d to %d%s", k.name, k.least, k.most, k.otherwise))
	}
	*k.value = n
	return nil
}

// patch sets knobs as body says: a JSON object that has any of their names.
func patch(body []byte, knobs []knob) error {
	in := json.NewDecoder(bytes.NewReader(body))
	if begin, err := in.Token(); err != nil || begin != json.Delim('{') {
		return badRequest("the body must be a JSON object; it may have " + namesOf(knobs))
	}
	seen := map[string]bool{}
	for in.More() {
		name, raw, err := field(in)
		if err != nil {
			return badRequest("the body is not JSON")
		}
		if err := setKnob(knobs, name, raw); err != nil {
			return err
		}
		if seen[name] {
			return badRequest(name + " stands in the body twice")
		}
		seen[name] = true
	}
	if _, err := in.Token(); err != nil {
		return badRequest("the body is not JSON")
	}
	if _, err := in.Token(); !errors.Is(err, io.EOF) {
		return badRequest("the body must be one JSON object and nothing else")
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

func setKnob(knobs []knob, name string, raw json.RawMessage) error {
	i := slices.IndexFunc(knobs, func(k knob) bool { return k.name == name })
	if i < 0 {
		return badRequest(fmt.Sprintf("%q cannot be changed here; what can: %s", clip(name, maxNamed), namesOf(knobs)))
	}
	return knobs[i].set(raw)
}

func namesOf(knobs []knob) string {
	names := make([]string, len(knobs))
	for i, k := range knobs {
		names[i] = k.name
	}
	return strings.Join(names, ", ")
}

// changes tells of each knob that differs what it was and what it is, for the
// log.
func changes(before, after []knob) []any {
	var attrs []any
	for i := range before {
		if was, is := before[i].text(), after[i].text(); was != is {
			attrs = append(attrs, slog.Group(after[i].name, slog.String("old", was), slog.String("new", is)))
		}
	}
	return attrs
}

// unchanged answers for a change that the keeper refused. What is wrong with
// it is told; anything else is as everywhere.
func unchanged(err error) error {
	if router.ProblemOf(err).Status != http.StatusInternalServerError {
		return err
	}
	return badRequest(err.Error())
}
