package config_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/poolkeeper/poolkeeper/config"
)

var update = flag.Bool("update", false, "write the messages that testdata/bad expects")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// minimal is the shortest file that is right.
const minimal = `
router:
  resolvers: [path]
clusters:
  main:
    dsn: postgres://app:hunter2@db.example.com/app
`

// parse parses a text as if it stood in poolkeeper.yaml.
func parse(t *testing.T, text string, env ...string) (*config.Config, error) {
	t.Helper()
	return config.Parse("poolkeeper.yaml", []byte(text), env)
}

func mustParse(t *testing.T, text string, env ...string) *config.Config {
	t.Helper()
	cfg, err := parse(t, text, env...)
	if err != nil {
		t.Fatalf("the configuration is refused:\n%v", err)
	}
	return cfg
}

func TestEveryBadFileIsRefusedWithItsMessage(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/bad/*.yaml")
	if err != nil || len(files) < 30 {
		t.Fatalf("found %d bad files (%v)", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) {
			t.Parallel()
			_, err := config.Load(file, nil)
			if err == nil {
				t.Fatalf("%s is accepted", file)
			}
			got := strings.ReplaceAll(err.Error(), "testdata/bad/", "") + "\n"
			wantFile := strings.TrimSuffix(file, ".yaml") + ".want"
			if *update {
				if err := os.WriteFile(wantFile, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(wantFile)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("got:\n%swant:\n%s", got, want)
			}
			if strings.Contains(got, "hunter2") {
				t.Errorf("the message shows a secret:\n%s", got)
			}
		})
	}
}

func TestAMissingFileIsNamed(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "none.yaml")
	_, err := config.Load(path, nil)
	if err == nil || err.Error() != path+": there is no such file; --config names another" {
		t.Errorf("error is %v", err)
	}
}

func TestAFileThatCannotBeReadSaysWhy(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if _, err := config.Load(dir, nil); err == nil || !strings.Contains(err.Error(), "is a directory") {
		t.Errorf("error is %v", err)
	}
}
