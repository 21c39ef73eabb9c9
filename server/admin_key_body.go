package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/poolkeeper/poolkeeper/registry/apikey"
	"github.com/poolkeeper/poolkeeper/registry/control"
)

// maxKeyName is the longest name of an API key, in characters.
const maxKeyName = 100

// parseNewKey reads the body of POST /v1/tenants/{id}/api-keys.
func parseNewKey(body []byte, now time.Time) (control.NewKey, error) {
	var k control.NewKey
	err := object{verb: "given", members: []member{
		{"name", given(&k.Name, readKeyName)},
		{"scope", given(&k.Scope, readScope)},
		{"expires_at", given(&k.Expires, readMoment)},
	}}.read(body)
	switch {
	case err != nil:
		return k, err
	case k.Scope == "":
		return k, badRequest("scope is missing; give write, or read for a key that can only read")
	case !k.Expires.IsZero() && !k.Expires.After(now):
		return k, badRequest("expires_at is past already; give a time to come, or leave it out for a key that does not expire")
	}
	return k, nil
}

// parseExpiry reads the body of PATCH /v1/tenants/{id}/api-keys/{key}: null is
// never, and a time that is past ends the key at once.
func parseExpiry(body []byte) (time.Time, error) {
	var at *time.Time
	err := object{verb: "changed", members: []member{{"expires_at", patched(&at, readMoment)}}}.read(body)
	switch {
	case err != nil:
		return time.Time{}, err
	case at == nil:
		return time.Time{}, badRequest("expires_at is missing; give a time, or null for never")
	}
	return *at, nil
}

func readScope(raw json.RawMessage) (apikey.Scope, error) {
	text, err := readText(raw)
	switch s := apikey.Scope(text); s {
	case apikey.ScopeWrite, apikey.ScopeRead:
		return s, err
	}
	return "", errors.New("must be write or read")
}

// readKeyName takes what fits a line of a list.
func readKeyName(raw json.RawMessage) (string, error) {
	text, err := readText(raw)
	if err != nil {
		return "", err
	}
	if utf8.RuneCountInString(text) > maxKeyName || strings.ContainsFunc(text, unicode.IsControl) {
		return "", fmt.Errorf("must be a text of one line, of %d characters at most", maxKeyName)
	}
	return text, nil
}

// Years that a time may be of: what JSON and PostgreSQL both can say, and that
// no program means by zero.
const (
	firstYear = 1970
	lastYear  = 9999
)

func readMoment(raw json.RawMessage) (time.Time, error) {
	var text string
	err := json.Unmarshal(raw, &text)
	at, wrong := time.Parse(time.RFC3339, text)
	at = at.UTC()
	if err != nil || wrong != nil || at.Year() < firstYear || at.Year() > lastYear {
		return time.Time{}, fmt.Errorf(`must be a time such as "2030-01-31T00:00:00Z", of the years %d to %d`, firstYear, lastYear)
	}
	return at, nil
}
