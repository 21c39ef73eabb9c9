package adminapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

// errHandler is the end of an answer whose handler did not end by itself.
var errHandler = errors.New("adminapi: the handler gave up")

// InProcess carries requests to a handler in this process, without a socket.
// Answers stream: what the handler writes is there to read at once. The
// handler's context ends with the request's, and when the answer's body is
// closed.
func InProcess(handler http.Handler) http.RoundTripper { return &inProcess{handler: handler} }

type inProcess struct{ handler http.Handler }

// RoundTrip runs the handler in a goroutine of its own, which outlives the
// call as long as the answer streams.
func (t *inProcess) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancel(req.Context())
	out, in := io.Pipe()
	w := &pipeWriter{header: http.Header{}, body: in, begun: make(chan struct{})}
	asked := incoming(ctx, req)
	go func() {
		defer cancel()
		err := serve(t.handler, w, asked)
		w.WriteHeader(http.StatusOK) // of an empty answer
		_ = in.CloseWithError(err)   // always nil; a nil error is the end
		_ = asked.Body.Close()       // it cannot be read any more
	}()
	context.AfterFunc(ctx, func() { _ = in.CloseWithError(context.Cause(ctx)) }) // after the handler's own end it changes nothing
	select {
	case <-w.begun:
		return w.response(req, &pipeBody{PipeReader: out, cancel: cancel}), nil
	case <-req.Context().Done():
		_ = out.Close()
		cancel()
		return nil, req.Context().Err()
	}
}

// incoming is the request as a server would have received it, from this
// machine.
func incoming(ctx context.Context, req *http.Request) *http.Request {
	r := req.Clone(ctx)
	r.RequestURI = r.URL.RequestURI()
	r.RemoteAddr = "127.0.0.1:1"
	if r.Host == "" {
		r.Host = r.URL.Host
	}
	if r.Body == nil {
		r.Body = http.NoBody
	}
	return r
}

// serve has a handler that panics end its own answer and nothing else, as
// net/http has.
func serve(h http.Handler, w http.ResponseWriter, r *http.Request) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", errHandler, p)
		}
	}()
	h.ServeHTTP(w, r)
	return nil
}

// pipeWriter is the handler's side of an answer.
type pipeWriter struct {
	header http.Header // the handler's own, until begun
	body   *io.PipeWriter

	once  sync.Once
	begun chan struct{} // closed when status and sent are there to read
	// Written once, before begun is closed.
	status int
	sent   http.Header
}

func (w *pipeWriter) Header() http.Header { return w.header }

func (w *pipeWriter) WriteHeader(status int) {
	if status >= 100 && status < 200 {
		return // only informs
	}
	w.once.Do(func() {
		w.status, w.sent = status, w.header.Clone()
		close(w.begun)
	})
}

func (w *pipeWriter) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	if w.status == http.StatusNoContent || w.status == http.StatusNotModified {
		return 0, http.ErrBodyNotAllowed
	}
	return w.body.Write(p)
}

// Flush sends the header; what was written has been read already.
func (w *pipeWriter) Flush() { w.WriteHeader(http.StatusOK) }

// SetReadDeadline and SetWriteDeadline are for sockets that hang. Here is none,
// and a handler that asks for them wants to stream.
func (w *pipeWriter) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline does nothing, as SetReadDeadline.
func (w *pipeWriter) SetWriteDeadline(time.Time) error { return nil }

func (w *pipeWriter) response(req *http.Request, body io.ReadCloser) *http.Response {
	return &http.Response{
		Status: fmt.Sprintf("%d %s", w.status, http.StatusText(w.status)), StatusCode: w.status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: w.sent, Body: body, ContentLength: -1, Request: req,
	}
}

// pipeBody ends the handler when nobody reads any more.
type pipeBody struct {
	*io.PipeReader
	cancel context.CancelFunc
}

func (b *pipeBody) Close() error {
	b.cancel()
	return b.PipeReader.Close()
}
