package router_test

import (
	"errors"
	"net/http"
	"slices"
	"testing"

	"github.com/poolkeeper/poolkeeper/router"
)

// A claim is what a request says of its tenant, in every place at once; ""
// says nothing there.
type claim struct {
	// kind of credential, key or jwt, and whose
	bearer, apikey, password [2]string
	header, host, path, neon string
	proxied                  bool
}

// claims is the product of all places and both tenants.
func claims(yield func(claim) bool) {
	shown := [][2]string{{}, {"key", "acme"}, {"key", "globex"}, {"jwt", "acme"}, {"jwt", "globex"}}
	named := []string{"", "acme", "globex"}
	total := 2
	sizes := []int{len(shown), len(shown), len(shown), 3, 3, 3, 3}
	for _, n := range sizes {
		total *= n
	}
	for number := range total {
		n := number / 2
		at := make([]int, len(sizes))
		for i, size := range sizes {
			at[i], n = n%size, n/size
		}
		if !yield(claim{
			bearer: shown[at[0]], apikey: shown[at[1]], password: shown[at[2]],
			header: named[at[3]], host: named[at[4]], path: named[at[5]], neon: named[at[6]],
			proxied: number%2 == 1,
		}) {
			return
		}
	}
}

func credentialOf(shown [2]string) string {
	switch shown[0] {
	case "key":
		return keyOf(shown[1])
	case "jwt":
		return tokenOf(shown[1])
	default:
		return ""
	}
}

func (c claim) request() request {
	q := request{host: "api.example.com", path: "/sql", remote: fromClient, header: http.Header{}}
	if c.proxied {
		q.remote = fromProxy
	}
	if text := credentialOf(c.bearer); text != "" {
		q.header.Set("Authorization", "Bearer "+text)
	}
	if text := credentialOf(c.apikey); text != "" {
		q.header.Set("Apikey", text)
	}
	if text := credentialOf(c.password); text != "" || c.neon != "" {
		label := c.neon
		if label == "" {
			label = "api" // names nobody
		}
		q.header.Set(neon, "postgresql://user:"+text+"@"+label+".gw.example.com/db")
	}
	if c.header != "" {
		q.header.Set(tenantID, c.header)
	}
	if c.host != "" {
		q.host = c.host + ".example.com"
	}
	if c.path != "" {
		q.path = "/t/" + c.path + "/sql"
	}
	return q
}

// verdict is what the rules say, written down anew: who is served, or nobody.
func (c claim) verdict() string {
	verified := []string{c.bearer[1], c.apikey[1], c.password[1]}
	tenants := slices.Concat(verified, []string{c.header, c.host, c.path, c.neon})
	names := func(who string) bool { return slices.Contains(tenants, who) }
	if names("acme") == names("globex") {
		return "" // both, or none
	}
	who := "acme"
	if names("globex") {
		who = "globex"
	}
	vouched := slices.Contains(verified, who) || c.proxied && (c.header == who || c.neon == who)
	if !vouched {
		return ""
	}
	return who
}

func TestACredentialOfOneTenantNeverServesAnother(t *testing.T) {
	t.Parallel()
	obs, lent := &log{}, &lender{}
	cfg := production("key", "jwt", "host", "path", "neon", "header")
	cfg.Open = nil
	cfg.ProbeRate = 0 // every one of them is to be judged by itself
	r := guarded(t, cfg, lent, obs)
	asked, served, counted := 0, 0, 0
	for c := range claims {
		want := c.verdict()
		visit, err := r.Route(c.request().build(t))
		asked++
		switch {
		case want == "" && (err == nil || !errors.Is(err, router.ErrRefused) && !errors.Is(err, router.ErrNoTenant)):
			t.Fatalf("%+v was not refused: %v", c, err)
		case want == "":
			continue
		case err != nil:
			t.Fatalf("%+v was refused: %v", c, err)
		}
		served++
		if _, err := visit.Lease(t.Context()); err != nil || visit.Tenant().ID.String() != want {
			t.Fatalf("%+v was served as %s, %v", c, visit.Tenant().ID, err)
		}
		visit.Close()
		if got := lent.released[len(lent.released)-1]; got != want {
			t.Fatalf("%+v got the pool of %s", c, got)
		}
	}
	lent.expect(t, served, served)
	for _, err := range obs.errs {
		if err != nil {
			counted++
		}
	}
	t.Logf("%d requests, %d served", asked, served)
	if counted != asked-served || len(obs.errs) != asked || served == 0 {
		t.Errorf("%d of %d requests were served; the observer was told of %d and of %d refusals", served, asked, len(obs.errs), counted)
	}
}
