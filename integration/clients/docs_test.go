//go:build clients

package clients_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
)

// A page's program is its first block of js, and what it prints the block of text after it.
func TestThePagesOfTheDocumentationWorkAsTheyStand(t *testing.T) {
	install(t)
	gateway := serve(t)
	for page, tenant := range map[string]string{"serverless": "acme", "drizzle": "acme", "kysely": "acme", "prisma": "globex"} {
		t.Run(page, func(t *testing.T) {
			text, err := os.ReadFile(filepath.Join("..", "..", "docs", "clients", page+".md"))
			check(t, err)
			match := regexp.MustCompile("(?s)```js\n(.*?)```.*?```text\n(.*?)```").FindSubmatch(text)
			if match == nil {
				t.Fatal("the page has no program, or does not say what it prints")
			}
			name := page + ".page.mjs" // here, where its packages are
			check(t, os.WriteFile(name, match[1], 0o600))
			t.Cleanup(func() { check(t, os.Remove(name)) })
			cmd := exec.CommandContext(t.Context(), program(t, "node"), "--no-warnings", name)
			cmd.Env = append(os.Environ(), "SQL_ENDPOINT="+gateway.address+"/sql", "DATABASE_URL="+gateway.connection(tenant))
			out, err := cmd.CombinedOutput()
			if err != nil || string(out) != string(match[2]) {
				t.Errorf("%v; it prints\n%s\nand not\n%s", err, out, match[2])
			}
		})
	}
}
