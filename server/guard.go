package server

import (
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/http"
	"net/netip"
	"strings"

	"github.com/gin-gonic/gin"
)

// localOnly guards what has no credentials of its own yet: the peer must be on
// this machine, and no web page in a browser there.
func (s *Server) localOnly(c *gin.Context) {
	if !s.isLocal(c.Request) {
		s.refuse(c, errNotLocal)
	}
}

// scraperOnly guards /metrics: by the token when there is one, else as the
// rest of the admin API.
func (s *Server) scraperOnly(c *gin.Context) {
	switch {
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
