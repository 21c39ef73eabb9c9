package router_test

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/poolkeeper/poolkeeper/router"
)

func TestARequestCountsForWhoSentItAndNotForAProxy(t *testing.T) {
	t.Parallel()
	r := newRouter(t, production("path"), &lender{}, nil) // 10.0.0.0/8 and fd00::1 are proxies
	const unreadable = "::"
	for _, c := range []struct {
		name, peer string
		lines      []string
		want       string // "" is nobody
	}{
		{"a client", "203.0.113.9:4711", nil, "203.0.113.9"},
		{"a client on IPv6", "[2001:db8:1:2:3:4:5:6]:4711", nil, "2001:db8:1:2::"},
		{"its neighbour", "[2001:db8:1:2:ffff::1]:4711", nil, "2001:db8:1:2::"},
		{"another network", "[2001:db8:1:3::1]:4711", nil, "2001:db8:1:3::"},
		{"IPv4 in IPv6", "[::ffff:203.0.113.9]:4711", nil, "203.0.113.9"},
		{"a link's address", "[fe80::1%eth0]:4711", nil, "fe80::"},
		{"a Unix socket", "@", nil, ""},
		{"no peer", "", nil, ""},
		{"a client that writes of another", "203.0.113.9:4711", []string{"198.51.100.1"}, "203.0.113.9"},
		{"a socket's peer that writes of another", "@", []string{"198.51.100.1"}, ""},

		{"by a proxy", fromProxy, []string{"203.0.113.9"}, "203.0.113.9"},
		{"by a proxy on IPv6", "[fd00::1]:99", []string{"203.0.113.9"}, "203.0.113.9"},
		{"by a proxy on IPv4 in IPv6", "[::ffff:10.0.0.1]:99", []string{"203.0.113.9"}, "203.0.113.9"},
		{"by two proxies", fromProxy, []string{"203.0.113.9, 10.9.9.9"}, "203.0.113.9"},
		{"by two proxies, in lines", fromProxy, []string{"203.0.113.9", "10.9.9.9"}, "203.0.113.9"},
		{"after what the client wrote", fromProxy, []string{"198.51.100.1, 203.0.113.9"}, "203.0.113.9"},
		{"after a line that the client wrote", fromProxy, []string{"198.51.100.1", "203.0.113.9, 10.9.9.9"}, "203.0.113.9"},
		{"after a proxy that the client wrote", fromProxy, []string{"198.51.100.1, 10.0.0.1, 203.0.113.9"}, "203.0.113.9"},
		{"after nonsense that the client wrote", fromProxy, []string{"' or 1=1, 203.0.113.9"}, "203.0.113.9"},
		{"without blanks", fromProxy, []string{"198.51.100.1,203.0.113.9,10.0.0.1"}, "203.0.113.9"},
		{"with many blanks", fromProxy, []string{"  203.0.113.9 \t,\t 10.0.0.1 "}, "203.0.113.9"},
		{"with empty entries", fromProxy, []string{", 203.0.113.9,, ,", ""}, "203.0.113.9"},
		{"with a port", fromProxy, []string{"203.0.113.9:4711"}, "203.0.113.9"},
		{"IPv6", fromProxy, []string{"2001:db8:1:2::9"}, "2001:db8:1:2::"},
		{"IPv6 in brackets", fromProxy, []string{"[2001:db8:1:2::9]"}, "2001:db8:1:2::"},
		{"IPv6 with a port", fromProxy, []string{"[2001:db8:1:2::9]:4711"}, "2001:db8:1:2::"},
		{"IPv4 in IPv6, forwarded", fromProxy, []string{"::ffff:203.0.113.9"}, "203.0.113.9"},
		{"the proxy IPv4 in IPv6, forwarded", fromProxy, []string{"203.0.113.9, ::ffff:10.1.1.1"}, "203.0.113.9"},

		{"a proxy that asks for itself", fromProxy, nil, ""},
		{"proxies alone", fromProxy, []string{"10.0.0.1, 10.0.0.2", "10.0.0.3"}, ""},
		{"nothing in the header", fromProxy, []string{"", " ,, "}, ""},
		{"a word last", fromProxy, []string{"203.0.113.9, unknown"}, unreadable},
		{"another word last", fromProxy, []string{"203.0.113.9, _hidden"}, unreadable},
		{"an open bracket", fromProxy, []string{"[2001:db8::1"}, unreadable},
		{"brackets alone", fromProxy, []string{"[]"}, unreadable},
		{"a bracket alone", fromProxy, []string{"["}, unreadable},
		{"a port alone", fromProxy, []string{":80"}, unreadable},
		{"a long entry", fromProxy, []string{strings.Repeat("1", 10_000)}, unreadable},
	} {
		req := request{remote: c.peer}.build(t)
		req.RemoteAddr = c.peer
		req.Header = http.Header{"X-Forwarded-For": c.lines}
		want := netip.Addr{}
		if c.want != "" {
			want = netip.MustParseAddr(c.want)
		}
		if got := r.Site(req); got != want {
			t.Errorf("%s: got %v, want %v", c.name, got, want)
		}
	}
}

// Whatever a client writes before it: the entry that the proxy has added is
// the one that counts.
func FuzzForwardedFor(f *testing.F) {
	cfg := production("path")
	r, err := router.New(cfg, router.Deps{Tenants: everybody{}, Pools: &lender{}})
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{"", "198.51.100.1", "10.0.0.1", "unknown", "[::1]:80, [", ", ,", "\x00", "203.0.113.9:"} {
		f.Add(seed, true)
		f.Add(seed, false)
	}
	f.Fuzz(func(t *testing.T, written string, oneLine bool) {
		req := request{remote: fromProxy}.build(t)
		lines := []string{written, "203.0.113.9"}
		if oneLine {
			lines = []string{written + ", 203.0.113.9"}
		}
		req.Header = http.Header{"X-Forwarded-For": lines}
		if got := r.Site(req); got != netip.MustParseAddr("203.0.113.9") {
			t.Fatalf("%q: got %v", lines, got)
		}
		// And alone it is an address, a network of IPv6, or nobody.
		req.Header = http.Header{"X-Forwarded-For": {written}}
		got := r.Site(req)
		if got.Is6() && netip.PrefixFrom(got, 64).Masked().Addr() != got || got.Is4In6() || got.Zone() != "" {
			t.Fatalf("%q: got %v", written, got)
		}
		if netip.MustParsePrefix("10.0.0.0/8").Contains(got) {
			t.Fatalf("%q: counts for a proxy, %v", written, got)
		}
	})
}
