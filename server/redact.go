package server

import (
	"net/http"
	"net/url"
	"strings"
)

const (
	// hidden stands in a log for a credential.
	hidden = "[hidden]"
	// leastSecret is the shortest text that is looked for: a shorter one is
	// part of ordinary words, and hiding those would say what it is.
	leastSecret = 8
)

// redacted returns text without the credentials of the request. No error of
// ours repeats one; this is for what others say, in a panic above all.
func redacted(r *http.Request, text string) string {
	for _, secret := range secretsOf(r.Header) {
		if len(secret) >= leastSecret {
			text = strings.ReplaceAll(text, secret, hidden)
		}
	}
	return text
}

// secretsOf lists the headers that hold credentials, whole first, then what in
// them is the credential.
func secretsOf(h http.Header) []string {
	var all []string
	for _, name := range [...]string{"Authorization", "Apikey", "Cookie", headerNeon} {
		all = append(all, h.Values(name)...)
	}
	for _, value := range h.Values("Authorization") {
		_, token, _ := strings.Cut(value, " ")
		all = append(all, strings.TrimLeft(token, " "))
	}
	for _, value := range h.Values("Cookie") {
		for pair := range strings.SplitSeq(value, ";") {
			_, text, _ := strings.Cut(pair, "=")
			all = append(all, text)
		}
	}
	for _, value := range h.Values(headerNeon) {
		password := passwordOf(value)
		all = append(all, password)
		if plain, err := url.PathUnescape(password); err == nil {
			all = append(all, plain)
		}
	}
	return all
}

// passwordOf returns what stands between the user of a connection string and
// its host, as it is written.
func passwordOf(connection string) string {
	_, rest, _ := strings.Cut(connection, "://")
	at := strings.LastIndexByte(rest, '@')
	if at < 0 {
		return ""
	}
	_, password, _ := strings.Cut(rest[:at], ":")
	return password
}
