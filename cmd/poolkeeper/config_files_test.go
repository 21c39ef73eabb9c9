package main

import (
	"errors"
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

func TestARefusedFileIsToldWithTheMistakeThatTheOthersFollowFrom(t *testing.T) {
	t.Parallel()
	path := write(t, filepath.Join(t.TempDir(), "poolkeeper.yaml"), "clusters: {main: {dsn: postgres://app@localhost/app}}\n"+
		"router: {resolvers: [path]}\nplants: {free: {cluster: main}}\ntenants: {acme: {plan: free, isolation: schema}}\n")
	found := errors.New(`tenants.acme.plan: is "free", which is no plan`) // what the source of tenants sees
	if err := wholeStory(path, nil, found); err == nil || !strings.Contains(err.Error(), "plants: is no setting; did you mean plans?") || !strings.Contains(err.Error(), "which is no plan") {
		t.Errorf("%v", err)
	}
	write(t, path, "clusters: {main: {dsn: postgres://app@localhost/app}}\nrouter: {resolvers: [path]}\n")
	if err := wholeStory(path, nil, found); !errors.Is(err, found) {
		t.Errorf("of a file that is mended meanwhile: %v", err)
	}
	if err := wholeStory(path, nil, nil); err != nil {
		t.Errorf("%v", err)
	}
}

func TestAFileThatCannotBeReadIsNamedOnce(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	if code, _, stderr := execute(t, nil, "config", "check", "-c", folder); code != exitFailed || stderr != folder+": cannot be read: is a directory\n" {
		t.Errorf("%d %q", code, stderr)
	}
}
