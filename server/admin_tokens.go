package server

import (
	"errors"
	"fmt"
	"strings"

	"github.com/poolkeeper/poolkeeper/registry"
)

// Roles of a token.
const (
	roleRead  = "read"  // may look
	roleAdmin = "admin" // may do everything
)

const (
	minToken     = 16  // bytes; what is shorter can be guessed
	maxTokenName = 100 // bytes; the name stands in logs and in the audit trail
)

// token is a credential of the admin API. Its name says in the audit trail
// who did it.
type token struct {
	name, role string
	secret     registry.Secret
	line       int
}

// parseTokens reads server.admin_tokens: a line for each token, of a name, a
// role and the token itself. Blank lines and those that begin with # are
// comments. The error lists every line that is wrong, and shows no token.
func parseTokens(text string) ([]token, error) {
	var all []token
	var wrong []error
	number := 0
	for line := range strings.Lines(text) {
		number++
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		t, err := parseToken(line)
		t.line = number
		if err == nil {
			err = t.unlike(all)
		}
		if err != nil {
			wrong = append(wrong, fmt.Errorf("server.admin_tokens: line %d: %w", number, err))
			continue
		}
		all = append(all, t)
	}
	if len(all) == 0 && len(wrong) == 0 {
		wrong = append(wrong, errors.New("server.admin_tokens: has no token; write lines of NAME ROLE TOKEN, or leave it out"))
	}
	return all, errors.Join(wrong...)
}

// parseToken's errors repeat none of the words: where they are in the wrong
// order, any of them may be the token.
func parseToken(line string) (token, error) {
	fields := strings.Fields(line)
	if len(fields) != 3 {
		return token{}, fmt.Errorf("has %d words; write NAME ROLE TOKEN", len(fields))
	}
	t := token{name: fields[0], role: fields[1], secret: registry.NewSecret(fields[2])}
	switch {
	case len(t.name) > maxTokenName || strings.ContainsFunc(t.name, unfitForID):
		return t, fmt.Errorf("the name, its first word, must be letters, digits and -_.:/+=@~, %d at most", maxTokenName)
	case t.role != roleRead && t.role != roleAdmin:
		return t, fmt.Errorf("the role, its second word, must be %s or %s", roleRead, roleAdmin)
	case len(fields[2]) < minToken:
		return t, fmt.Errorf("the token, its third word, has %d characters; it needs %d, better 32 random ones", len(fields[2]), minToken)
	case strings.ContainsFunc(fields[2], unfitForHeader):
		return t, errors.New("the token, its third word, has a character that no header can carry; use letters, digits and signs of ASCII")
	}
	return t, nil
}

func unfitForHeader(r rune) bool { return r <= ' ' || r > '~' }

// unlike refuses a name or a token that an earlier line has: it would not be
// clear who did it.
func (t token) unlike(others []token) error {
	for _, other := range others {
		if t.name == other.name {
			return fmt.Errorf("the name is that of line %d too", other.line)
		}
		if t.secret == other.secret {
			return fmt.Errorf("the token is that of line %d too", other.line)
		}
	}
	return nil
}

// whose finds the token that a request carries. It compares with all of them,
// so that the time says nothing about which was nearly right.
func whose(tokens []token, given string) (found token, ok bool) {
	for _, t := range tokens {
		if sameSecret(given, t.secret.Reveal()) {
			found, ok = t, true
		}
	}
	return found, ok
}
