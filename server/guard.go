package server

import (
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/http"
	"net/netip"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/poolkeeper/poolkeeper/onboard/lifecycle"
)

// actorLocal is who asks when there are no tokens.
const actorLocal = "local"

type actorKey struct{}

// actorOf returns who asks, which operatorOnly found out.
func actorOf(c *gin.Context) lifecycle.Actor {
	return c.MustGet(actorKey{}).(lifecycle.Actor)
}

// operatorOnly guards the admin API: by the tokens when there are any, else by
// the client's certificate where one is asked for, else this machine alone may
// ask. A token that may only read does that.
func (s *Server) operatorOnly(c *gin.Context) {
	if len(s.tokens) == 0 {
		s.tokenless(c)
		return
	}
	t, ok := whose(s.tokens, bearerOf(c.Request.Header.Get("Authorization")))
	if !ok {
		s.refuse(c, errToken)
		return
	}
	c.Set(actorKey{}, lifecycle.Actor(t.name))
	trailOf(c).actor = t.name
	if t.role != roleAdmin && (!isReading(c.Request.Method) || c.FullPath() == routeExport) {
		s.refuse(c, errRole)
	}
}

func (s *Server) tokenless(c *gin.Context) {
	if subject := s.certified(c.Request); subject != "" {
		c.Set(actorKey{}, lifecycle.Actor(subject))
		trailOf(c).actor = subject
		return
	}
	c.Set(actorKey{}, lifecycle.Actor(actorLocal))
	s.localOnly(c)
}

func isReading(method string) bool { return method == http.MethodGet || method == http.MethodHead }

// localOnly guards what has no credentials: the peer must be on this machine,
// and no web page in a browser there.
func (s *Server) localOnly(c *gin.Context) {
	if !s.isLocal(c.Request) {
		s.refuse(c, errNotLocal)
	}
}

// scraperOnly guards /metrics: by the token when there is one, else by the
// client's certificate, else this machine alone may ask.
func (s *Server) scraperOnly(c *gin.Context) {
	switch {
	case s.cfg.ScrapeToken.IsZero() && s.certified(c.Request) != "":
	case s.cfg.ScrapeToken.IsZero():
		s.localOnly(c)
	case !sameSecret(bearerOf(c.Request.Header.Get("Authorization")), s.cfg.ScrapeToken.Reveal()):
		s.refuse(c, errScrapeToken)
	}
}

// bearerOf returns the token of an Authorization header, "" when its scheme,
// whose case does not matter, is another.
func bearerOf(authorization string) string {
	scheme, token, _ := strings.Cut(authorization, " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimLeft(token, " ")
}

// sameSecret compares in a time that depends on neither text.
func sameSecret(given, want string) bool {
	a, b := sha256.Sum256([]byte(given)), sha256.Sum256([]byte(want))
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

// isLocal reports whether the request comes from a program on this machine.
// A page of another site, opened in a browser here, gives itself away by the
// headers that browsers add; one that had its own name resolve to this machine
// still asks by that name.
func (s *Server) isLocal(r *http.Request) bool {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil || !peer.Addr().Unmap().IsLoopback() {
		return false
	}
	return isLoopbackHost(hostOf(r.Host)) && http.NewCrossOriginProtection().Check(r) == nil
}

// hostOf is the host without the port and the brackets of IPv6.
func hostOf(hostport string) string {
	if host, _, err := net.SplitHostPort(hostport); err == nil {
		return host
	}
	return strings.Trim(hostport, "[]")
}
