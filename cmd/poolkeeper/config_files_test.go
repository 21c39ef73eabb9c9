package main

import (
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestConfigCheckReadsTheFilesThatAStartNeeds(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	a.issue(t, "data", time.Now().Add(time.Hour))
	a.issue(t, "admin", time.Now().Add(time.Hour))
	none := write(t, filepath.Join(a.folder, "none.json"), `{"keys":[]}`)
	path := filepath.Join(a.folder, "poolkeeper.yaml") // the names in it are relative to it
	file := func(tls, admin, jwks string) string {
		return write(t, path, "clusters: {main: {dsn: postgres://app@localhost/app}}\nserver: {tls: {"+tls+"}, admin_tls: {"+admin+"}}\n"+
			"router: {resolvers: [jwt]}\njwt: {jwks: "+jwks+", issuer: i, audience: [a]}\n")
	}
	url := "https://issuer.invalid/jwks.json" // is not asked
	const data, admin = "cert: data.crt, key: data.key", "cert: admin.crt, key: admin.key, client_ca: ca.crt"
	for _, c := range []struct{ tls, admin, jwks, want string }{
		{data, admin, url, ""},
		{"cert: gone.crt, key: data.key", admin, url, "server.tls.cert: open " + filepath.Join(a.folder, "gone.crt")},
		{"cert: data.crt, key: admin.key", admin, url, "server.tls.cert: "},
		{data, "cert: admin.crt, key: admin.key, client_ca: none.json", url, "server.admin_tls.client_ca: "},
		{data, admin, "gone.json", "jwt.jwks: open " + filepath.Join(a.folder, "gone.json")},
		{data, admin, filepath.Base(none), "jwt.jwks: the set has no key"},
	} {
		code, stdout, stderr := execute(t, nil, "config", "check", "-c", file(c.tls, c.admin, c.jwks))
		if right := code == exitOK && stderr == ""; right != (c.want == "") || !strings.Contains(stderr, c.want) || strings.Contains(stdout, "is right") != right {
			t.Errorf("want %q: %d %q %q", c.want, code, stdout, stderr)
		}
	}
}
