package config_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/poolkeeper/poolkeeper/config"
)

func TestSecretsComeFromTheEnvironmentFromFilesOrPlainly(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "token"), []byte("from-file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		"env:TOKEN": "from-env", "file:token": "from-file",
		"file:" + filepath.Join(dir, "token"): "from-file", "plain": "plain",
	} {
		cfg, err := config.Parse(filepath.Join(dir, "c.yaml"), []byte(minimal+"server:\n  scrape_token: "+text+"\n"), []string{"TOKEN=from-env"})
		if err != nil {
			t.Errorf("%s: %v", text, err)
		} else if got := cfg.Server.ScrapeToken.Reveal(); got != want {
			t.Errorf("%s gives %q", text, got)
		}
	}
	cfg := mustParse(t, minimal, "POOLKEEPER_SERVER_SCRAPE_TOKEN=env:TOKEN", "TOKEN=twice")
	if got := cfg.Server.ScrapeToken.Reveal(); got != "twice" {
		t.Errorf("a variable that names another gives %q", got)
	}
}

// secretive is a configuration whose every secret contains "hunter".
const secretive = minimal + `
    admin: postgres://root:hunter3@db.example.com/app
    spare_dsn: postgres://spare:hunter8@db.example.com/app
server:
  scrape_token: hunter4
tenants:
  acme: {cluster: main, isolation: schema, schema: acme, login: acme, password: hunter5}
  globex: {cluster: main, isolation: database, dsn: "postgres://globex:hunter6@db.example.com/globex"}
`

func TestSecretsNeverPrint(t *testing.T) {
	t.Parallel()
	cfg := mustParse(t, secretive, "POOLKEEPER_SERVER_SCRAPE_TOKEN=hunter7")
	show, err := cfg.Show()
	if err != nil {
		t.Fatal(err)
	}
	jsonText, jsonErr := json.Marshal(cfg)
	yamlText, yamlErr := yaml.Marshal(cfg)
	if jsonErr != nil || yamlErr != nil {
		t.Fatal(jsonErr, yamlErr)
	}
	texts := map[string]string{"Show": show, "JSON": string(jsonText), "YAML": string(yamlText)}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x"} {
		texts[verb+" of the pointer"] = fmt.Sprintf(verb, cfg)
		texts[verb+" of the value"] = fmt.Sprintf(verb, *cfg)
		for _, tenant := range cfg.Tenants {
			texts[verb+" of a tenant"] += fmt.Sprintf(verb, *tenant)
		}
		texts[verb+" of the clusters"] = fmt.Sprintf(verb, cfg.Clusters)
	}
	for how, text := range texts {
		if strings.Contains(text, "hunter") || strings.Contains(text, fmt.Sprintf("%x", "hunter")) {
			t.Errorf("%s shows a secret:\n%s", how, text)
		}
	}
	if strings.Count(show, "'[secret]'") != 6 {
		t.Errorf("Show hides something else than 6 secrets:\n%s", show)
	}
}

func TestSecretsAreNotInErrors(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{
		"    spare_dsn: 'postgres://u:hunter8@db.example.com:port/app'\n",
		"    spare_dsn: [hunter8]\n",
		"    spare_dsn: !!binary hunter8\n",
		"    addresses: postgres://u:hunter8@db.example.com/app\n",
		"    addresses: ['postgres://u:hunter8@db.example.com:5432']\n",
		"server:\n  scrape_token: {hunter8: hunter8}\n",
		"server:\n  scrape_token: [hunter8]\n",
		"server:\n  scrape_token: !!binary hunter8\n",
		"log:\n  level: loud\n",
		"tenants:\n  acme: {cluster: main, isolation: planet, login: acme, password: hunter8}\n",
		"tenants:\n  acme: {cluster: main, isolation: database, dsn: 'postgres://a:hunter8@db:port/x'}\n",
		"tenants:\n  acme: {cluster: main, isolation: schema, schema: acme, login: acme, password: {hunter8: 1}}\n",
	} {
		_, err := parse(t, minimal+bad)
		if err == nil {
			t.Errorf("accepted:\n%s", bad)
		} else if strings.Contains(fmt.Sprintf("%v %+v", err, err), "hunter") {
			t.Errorf("the error shows a secret: %v", err)
		}
	}
}

func FuzzNoFileMakesTheParserPanicOrShowASecret(f *testing.F) {
	f.Add([]byte(secretive))
	f.Add([]byte("server: &a\n  sql: *a\n"))
	f.Add([]byte("? [a]: b\n: c\n<<: {d: e}\n"))
	f.Add([]byte("pools: !!binary aGk=\n---\n"))
	f.Add([]byte("\x00\xff"))
	files, _ := filepath.Glob("testdata/bad/*.yaml")
	for _, file := range files {
		if data, err := os.ReadFile(file); err == nil {
			f.Add(data)
		}
	}
	const token = "TOKEN=swordfish"
	f.Fuzz(func(t *testing.T, data []byte) {
		cfg, err := config.Parse("poolkeeper.yaml", data, []string{token, "POOLKEEPER_SERVER_SCRAPE_TOKEN=env:TOKEN"})
		if err != nil {
			if strings.Contains(err.Error(), "swordfish") {
				t.Errorf("the error shows a secret: %v", err)
			}
			return
		}
		if show, err := cfg.Show(); err != nil || strings.Contains(show, "swordfish") {
			t.Errorf("Show gives %v:\n%s", err, show)
		}
	})
}
