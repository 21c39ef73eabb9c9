package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/seal"
)

// keysetAt reads a keyset that only its owner may read.
func keysetAt(t *testing.T, path string) registry.Secret {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("%s has mode %v", path, info.Mode())
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return registry.NewSecret(string(text))
}

func TestAKeysetIsMadeRotatedAndNeverOverwritten(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path, link := filepath.Join(dir, "keyset.json"), filepath.Join(dir, "link.json")
	if code, stdout, stderr := execute(t, nil, "keys", "generate", "--output", path); code != exitOK || strings.Contains(stdout, "keyData") {
		t.Fatalf("%d %s %s", code, stdout, stderr)
	}
	made := keysetAt(t, path)
	if code, _, stderr := execute(t, nil, "keys", "generate", "--output", path); code != exitUsage || !strings.Contains(stderr, "there already") {
		t.Errorf("%d %s", code, stderr)
	}
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	if code, stdout, stderr := execute(t, nil, "keys", "rotate", "--json", "--keyset", link); code != exitOK || stdout != `{"file":"`+link+"\"}\n" {
		t.Fatalf("%d %s %s", code, stdout, stderr)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link is gone: %v %v", info, err)
	}
	rotated := keysetAt(t, path)
	if rotated.Reveal() == made.Reveal() || strings.Count(rotated.Reveal(), `"keyData"`) != 2 {
		t.Errorf("the keyset has no second key")
	}
	if _, err := seal.Parse(rotated); err != nil {
		t.Error(err)
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) != 2 {
		t.Errorf("something is left over: %v %v", files, err)
	}
}

func TestAKeysetThatIsNoneIsLeftAsItIs(t *testing.T) {
	t.Parallel()
	path := write(t, filepath.Join(t.TempDir(), "keyset.json"), "hunter2")
	code, stdout, stderr := execute(t, nil, "keys", "rotate", "--keyset", path)
	if code != exitFailed || strings.Contains(stdout+stderr, "hunter2") || keysetAt(t, path).Reveal() != "hunter2" {
		t.Errorf("%d %s %s", code, stdout, stderr)
	}
}

func TestAKeysetCanGoToThePipe(t *testing.T) {
	t.Parallel()
	code, stdout, _ := execute(t, nil, "keys", "generate")
	if _, err := seal.Parse(registry.NewSecret(stdout)); err != nil || code != exitOK {
		t.Errorf("%d %v", code, err)
	}
}
