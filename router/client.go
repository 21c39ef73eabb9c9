package router

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// forwardedFor is where each proxy adds whom it was asked by, at the end.
const forwardedFor = "X-Forwarded-For"

// siteBits is what one customer of a provider has at least of IPv6.
const siteBits = 64

// maxForwarded is the longest address with brackets, a zone and a port.
const maxForwarded = len("[ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255%interface-name-x]:65535")

// site returns whom a request counts for: the client's address, or its network
// for IPv6, where a client has as many addresses as it likes. The zero address
// means nobody: a peer without an address, and a proxy that asks for itself.
//
// Behind proxies it is the last of X-Forwarded-For that is no proxy. All
// before it is what the client wrote. What cannot be read there counts for
// one place together: the client may well have written that too.
func (p proxies) site(req *http.Request) netip.Addr {
	client := peerOf(req)
	if p.contain(client) {
		client = p.lastClient(req.Header[forwardedFor])
	}
	if client.Is6() {
		network, err := client.Prefix(siteBits)
		if err != nil { // unreachable: the address is valid
			return netip.IPv6Unspecified()
		}
		return network.Addr()
	}
	return client
}

// lastClient reads the lines, and each line's list, from the end.
func (p proxies) lastClient(lines []string) netip.Addr {
	for _, line := range slices.Backward(lines) {
		rest, more := line, true
		for more {
			var entry string
			rest, entry, more = cutLast(rest)
			if entry == "" {
				continue
			}
			addr, ok := parseForwarded(entry)
			if !ok {
				return netip.IPv6Unspecified()
			}
			if !p.contain(addr) {
				return addr
			}
		}
	}
	return netip.Addr{}
}

// cutLast returns the last entry of a list and what stands before it.
func cutLast(list string) (before, last string, more bool) {
	i := strings.LastIndexByte(list, ',')
	if i < 0 {
		return "", strings.Trim(list, " \t"), false
	}
	return list[:i], strings.Trim(list[i+1:], " \t"), true
}

// parseForwarded reads an address as proxies write it: 192.0.2.1,
// 192.0.2.1:4711, 2001:db8::1, [2001:db8::1] and [2001:db8::1]:4711.
func parseForwarded(text string) (netip.Addr, bool) {
	if len(text) > maxForwarded {
		return netip.Addr{}, false
	}
	if strings.HasPrefix(text, "[") && strings.HasSuffix(text, "]") {
		text = text[1 : len(text)-1]
	} else if text[0] == '[' || strings.Count(text, ":") == 1 {
		peer, err := netip.ParseAddrPort(text)
		return plain(peer.Addr()), err == nil
	}
	addr, err := netip.ParseAddr(text)
	return plain(addr), err == nil
}
