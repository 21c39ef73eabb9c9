// Package adminapi is a client of the admin API: of a running server over
// HTTP, or of a handler in the same process by [InProcess].
//
//	client, err := adminapi.New(adminapi.Config{Server: "http://127.0.0.1:8081"})
//	answer, err := client.Do(ctx, adminapi.Call{Method: http.MethodGet, Path: []string{"tenants", "acme"}})
//	var tenant adminwire.Tenant
//	err = answer.Into(&tenant)
//
// An answer keeps the JSON as the server wrote it, so that a program that
// hands it on loses nothing that this release does not know. What the server
// refuses is a [ProblemError]. Work that outlives its request is followed with
// [Client.Follow].
package adminapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/poolkeeper/poolkeeper/registry"
)

// Errors; match them with errors.Is.
var (
	// ErrServer is returned by New for a server that is no URL of one.
	ErrServer = errors.New("adminapi: bad server")
	// ErrUnreachable is returned when no answer came.
	ErrUnreachable = errors.New("adminapi: no answer")
	// ErrForeign is returned for an answer that is none of the admin API's.
	ErrForeign = errors.New("adminapi: not an answer of the admin API")
)

// Config says where the admin API is.
type Config struct {
	// Server is its URL, such as http://127.0.0.1:8081, without /v1.
	Server string
	// Token is sent with every request; zero sends none.
	Token registry.Secret
	// Transport carries the requests. Nil is HTTP over the network.
	Transport http.RoundTripper
	// Patience is how long Follow goes on when it hears nothing but errors.
	// Default: a minute.
	Patience time.Duration
}

// Client speaks to one admin API. It may be used concurrently.
type Client struct {
	base     *url.URL
	token    registry.Secret
	http     http.Client
	patience time.Duration
}

// New does no I/O. The error is [ErrServer].
func New(cfg Config) (*Client, error) {
	base, err := url.Parse(cfg.Server)
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" || base.User != nil {
		return nil, fmt.Errorf("%w: it must be a URL such as http://127.0.0.1:8081", ErrServer)
	}
	c := &Client{base: base, token: cfg.Token, patience: cfg.Patience}
	if c.patience == 0 {
		c.patience = time.Minute
	}
	c.http.Transport = cfg.Transport
	// A redirect would take the token and the body to where nobody sent them.
	c.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return c, nil
}

// A Call is one request.
type Call struct {
	Method string
	// Path is below /v1, an element each; they are escaped.
	Path  []string
	Query url.Values
	// Body is sent as JSON, []byte as it is; nil sends none.
	Body any
	// Type is the Content-Type of the body. Default application/json.
	Type string
	// Version is the record's version that the call is for; 0 is any.
	Version uint64
	// Wait is how long the server may take to answer with the end of what it
	// began; it answers with the operation otherwise. Zero leaves it to the
	// server, negative does not wait. The server counts in whole seconds.
	Wait time.Duration
}

// Answer is what the server said. Status is one of 200 to 299.
type Answer struct {
	Status int
	Header http.Header
	Body   json.RawMessage
}

// Into reads the answer's JSON. The error is [ErrForeign].
func (a Answer) Into(v any) error {
	if err := json.Unmarshal(a.Body, v); err != nil {
		return fmt.Errorf("%w: %w", ErrForeign, err)
	}
	return nil
}

// maxAnswer bounds what is read of an answer into memory, in bytes.
const maxAnswer = 256 << 20

// Do sends the call and reads the answer to its end. Errors: [ProblemError],
// [ErrUnreachable], [ErrForeign], and ctx's.
func (c *Client) Do(ctx context.Context, call Call) (Answer, error) {
	resp, err := c.Open(ctx, call)
	if err != nil {
		return Answer{}, err
	}
	defer func() { _ = resp.Body.Close() }() // read to its end, or lost anyway
	body, err := readAll(resp.Body)
	if err != nil {
		return Answer{}, c.lost(ctx, err)
	}
	body = bytes.TrimSpace(body)
	if len(body) > 0 && !json.Valid(body) {
		return Answer{}, fmt.Errorf("%w: %s sent something that is not JSON", ErrForeign, c.base.Redacted())
	}
	return Answer{Status: resp.StatusCode, Header: resp.Header, Body: body}, nil
}

// Open sends the call and leaves the body of the answer to the caller, who
// closes it. Errors are those of Do.
func (c *Client) Open(ctx context.Context, call Call) (*http.Response, error) {
	req, err := c.request(ctx, call)
	if err != nil {
		return nil, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.lost(ctx, err)
	}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		defer func() { _ = resp.Body.Close() }() // only its beginning is wanted
		return nil, c.refused(resp)
	}
	return resp, nil
}

func (c *Client) request(ctx context.Context, call Call) (*http.Request, error) {
	body, err := bodyOf(call.Body)
	if err != nil {
		return nil, err
	}
	at := c.base.JoinPath("v1")
	for _, element := range call.Path {
		at = at.JoinPath(escaped(element))
	}
	at.RawQuery = call.Query.Encode()
	req, err := http.NewRequestWithContext(ctx, call.Method, at.String(), bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("adminapi: %w", err)
	}
	if call.Body != nil {
		req.Header.Set("Content-Type", orElse(call.Type, "application/json"))
	}
	if call.Version > 0 {
		req.Header.Set("If-Match", strconv.Quote(strconv.FormatUint(call.Version, 10)))
	}
	if call.Wait != 0 {
		req.Header.Set("Prefer", "wait="+strconv.Itoa(max(0, int(call.Wait.Seconds()))))
	}
	if !c.token.IsZero() {
		req.Header.Set("Authorization", "Bearer "+c.token.Reveal())
	}
	return req, nil
}

// escaped makes an element data: neither a slash in it nor dots alone may lead
// elsewhere.
func escaped(element string) string {
	if element == "." || element == ".." {
		return strings.ReplaceAll(element, ".", "%2E")
	}
	return url.PathEscape(element)
}

func bodyOf(body any) ([]byte, error) {
	switch body := body.(type) {
	case nil:
		return nil, nil
	case []byte:
		return body, nil
	}
	text, err := json.Marshal(body)
	if err != nil {
		return nil, fmt.Errorf("adminapi: writing the request: %w", err)
	}
	return text, nil
}

func orElse(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

func readAll(from io.Reader) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(from, maxAnswer+1))
	if err == nil && len(body) > maxAnswer {
		err = fmt.Errorf("the answer is longer than %d bytes", maxAnswer)
	}
	return body, err
}

// lost is for a request that got no answer, or not all of it.
func (c *Client) lost(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	// The URL is named once, and by us.
	if wrapped := (*url.Error)(nil); errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	return fmt.Errorf("%w from %s: %w", ErrUnreachable, c.base.Redacted(), err)
}
