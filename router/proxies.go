package router

import (
	"fmt"
	"net/http"
	"net/netip"
)

// proxies are the networks whose word about a request counts.
type proxies []netip.Prefix

// parseProxies reads the setting router.proxies.
func parseProxies(texts []string) (proxies, error) {
	var p proxies
	for _, text := range texts {
		network, err := parseNetwork(text)
		if err != nil {
			return nil, err
		}
		p = append(p, network)
	}
	return p, nil
}

func parseNetwork(text string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(text); err == nil && addr.Zone() == "" {
		addr = addr.Unmap()
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	network, err := netip.ParsePrefix(text)
	switch {
	case err != nil:
		return netip.Prefix{}, fmt.Errorf("router.proxies: has %q; "+
			"it must be an address or a network, such as 10.0.0.7 or 10.0.0.0/8", text)
	case network.Addr().Is4In6():
		return netip.Prefix{}, fmt.Errorf("router.proxies: has %q; write an IPv4 network as such, like 10.0.0.0/8", text)
	case network != network.Masked():
		return netip.Prefix{}, fmt.Errorf("router.proxies: has %q, whose address is inside the network; "+
			"write %s, or the address alone", text, network.Masked())
	}
	return network, nil
}

// sent reports whether the request's peer is one of the proxies. A peer
// without an IP address (a Unix socket) is none.
func (p proxies) sent(req *http.Request) bool {
	return len(p) > 0 && p.contain(peerOf(req))
}

// contain is false for the zero address.
func (p proxies) contain(addr netip.Addr) bool {
	for _, network := range p {
		if network.Contains(addr) {
			return true
		}
	}
	return false
}

// peerOf returns who is at the other end of the connection; the zero address
// when that has none.
func peerOf(req *http.Request) netip.Addr {
	peer, err := netip.ParseAddrPort(req.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return plain(peer.Addr())
}

// plain is the form in which addresses are compared.
func plain(addr netip.Addr) netip.Addr { return addr.Unmap().WithZone("") }
