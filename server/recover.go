package server

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"

	"github.com/gin-gonic/gin"
)

// maxPanicText bounds how much of a panic's value is logged.
const maxPanicText = 300

// recovery turns a panic into a 500 and a line in the log with its stack. It
// logs nothing of the request itself, whose headers hold credentials, and hides
// these when the panic repeats one. When the
// answer has begun already, the connection is cut, so that the client does not
// take half of it for the whole.
func (s *Server) recovery(c *gin.Context) {
	request := c.Request
	defer func() {
		value := recover()
		if value == nil {
			return
		}
		if err, ok := value.(error); ok && errors.Is(err, http.ErrAbortHandler) {
			panic(http.ErrAbortHandler)
		}
		s.logPanic(c, value)
		if c.Writer.Written() {
			panic(http.ErrAbortHandler)
		}
		c.Request = request // with the context of before: the handler's own ended with it
		s.refuse(c, errPanic)
	}()
	c.Next()
}

func (s *Server) logPanic(c *gin.Context, value any) {
	text := redacted(c.Request, fmt.Sprint(value))
	s.log.LogAttrs(c.Request.Context(), slog.LevelError, "panic",
		slog.String("request_id", trailOf(c).id), slog.String("route", routeOf(c)),
		slog.String("panic", clip(text, maxPanicText)), slog.String("stack", string(debug.Stack())))
}
