package router

import (
	"net/http"
	"strings"
)

// keyPrefix is how the text of an API key begins, and no token's does.
const keyPrefix = "pk_"

// apiKeyHeader is the header "apikey" in the form that keys of http.Header
// have.
const apiKeyHeader = "Apikey"

// Credentials are what a request shows as such, at most one of a kind: with
// two keys, or the claims of two tokens, nobody could say which one counts.
type credentials struct {
	key   string // "" when there is none
	token string
	// err says that there is something where a credential belongs that cannot
	// be one, or that there are several. It holds no byte of the request.
	err error
}

// none reports whether the request shows nothing at all.
func (c *credentials) none() bool { return c.key == "" && c.token == "" && c.err == nil }

// readCredentials reads all the places where a credential may be. In dev mode
// it passes over a connection string's password that is no key: the strings of
// examples have passwords too.
func readCredentials(req *http.Request, dev bool) credentials {
	var c credentials
	c.readBearer(req.Header["Authorization"])
	c.readAPIKey(req.Header[apiKeyHeader])
	c.readConnection(req.Header[neonHeader], dev)
	return c
}

// readBearer refuses any other scheme: it is a credential too, which nobody
// here can verify.
func (c *credentials) readBearer(values []string) {
	switch len(values) {
	case 0:
	case 1:
		scheme, text, _ := strings.Cut(values[0], " ")
		if !strings.EqualFold(scheme, "Bearer") {
			text = ""
		}
		c.take(strings.TrimLeft(text, " "))
	default:
		c.err = ErrCredential
	}
}

func (c *credentials) readAPIKey(values []string) {
	switch len(values) {
	case 0:
	case 1:
		c.take(values[0])
	default:
		c.err = ErrCredential
	}
}

// readConnection takes a string without a password for one that shows no
// credential.
func (c *credentials) readConnection(values []string, dev bool) {
	if len(values) == 0 {
		return
	}
	conn, ok := parseConnection(values[0])
	if len(values) > 1 || !ok {
		c.err = ErrCredential
		return
	}
	text := conn.credential()
	if text == "" || dev && !strings.HasPrefix(text, keyPrefix) {
		return
	}
	c.take(text)
}

// take notes a credential by its kind. The same one may come again, from
// another place.
func (c *credentials) take(text string) {
	slot := &c.token
	if strings.HasPrefix(text, keyPrefix) {
		slot = &c.key
	}
	switch {
	case text == "":
		c.err = ErrCredential
	case *slot == "":
		*slot = text
	case *slot != text && c.err == nil:
		c.err = ErrConflict
	}
}
