package router

import "github.com/gin-gonic/gin"

// Gin is [Router.Middleware] for Gin. The visit is in the context of the
// request: handlers call Lease(c.Request.Context()), not Lease(c). A refusal
// aborts the chain and is added to the Gin context's errors, for the log.
func (r *Router) Gin() gin.HandlerFunc {
	return func(c *gin.Context) {
		nameRequest(c.Writer.Header(), c.Request)
		v, err := r.Route(c.Request)
		if err != nil {
			_ = c.Error(err) // it returns its argument, wrapped
			c.Abort()
			WriteProblem(c.Writer, c.Request, ProblemOf(err))
			return
		}
		defer v.Close()
		v.Header(c.Writer.Header())
		c.Request = c.Request.WithContext(withVisit(c.Request.Context(), v))
		c.Next()
	}
}
