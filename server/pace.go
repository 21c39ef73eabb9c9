package server

import (
	"net/http"
	"time"
)

// chunk is how much is written under one deadline. A reader must take so much
// per write_timeout: with the default, about 2 kB per second.
const chunk = 64 << 10

// paced gives every write to the client a deadline of its own.
// http.Server.WriteTimeout would be one for the whole answer, and cut streams.
func paced(timeout time.Duration, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(&pacedWriter{ResponseWriter: w, control: http.NewResponseController(w), timeout: timeout}, r)
	})
}

// pacedWriter renews the connection's write deadline as it goes. net/http
// forgets it when the request is done.
type pacedWriter struct {
	http.ResponseWriter
	control *http.ResponseController
	timeout time.Duration
	renewed time.Time
}

// renew moves the deadline, at most four times per timeout.
func (w *pacedWriter) renew() {
	now := time.Now()
	if now.Sub(w.renewed) < w.timeout/4 {
		return
	}
	w.renewed = now
	_ = w.control.SetWriteDeadline(now.Add(w.timeout)) // a writer that has no deadlines needs none
}

// WriteHeader writes the headers under a fresh deadline.
func (w *pacedWriter) WriteHeader(status int) {
	w.renew()
	w.ResponseWriter.WriteHeader(status)
}

// Write writes p, however long, chunk by chunk.
func (w *pacedWriter) Write(p []byte) (int, error) {
	written := 0
	for {
		w.renew()
		n, err := w.ResponseWriter.Write(p[:min(len(p), chunk)])
		written += n
		if p = p[n:]; err != nil || len(p) == 0 {
			return written, err
		}
	}
}

// Flush sends what is buffered under a fresh deadline. An error comes back
// with the next write.
func (w *pacedWriter) Flush() {
	w.renew()
	_ = w.control.Flush()
}

// Unwrap lets http.ResponseController find what this type does not have.
func (w *pacedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
