package main

import (
	"os"
	"path/filepath"
	"sync"
	"testing"
)

func TestTheFirstPasswordOfALoginStaysWhoeverAsksAtTheSameTime(t *testing.T) {
	t.Parallel()
	c, err := openCredentials(filepath.Join(t.TempDir(), "data"))
	if err != nil {
		t.Fatal(err)
	}
	for _, login := range []string{"acme", "../up", "..", "a/b", "ümlaut", "with space"} {
		passwords := make([]string, 32)
		var asking sync.WaitGroup
		for i := range passwords {
			asking.Go(func() {
				secret, err := c.of(login)
				if err != nil {
					t.Errorf("%s: %v", login, err)
				}
				passwords[i] = secret.Reveal()
			})
		}
		asking.Wait()
		for _, password := range passwords {
			if password != passwords[0] || len(password) < 20 {
				t.Fatalf("%s: the passwords are %q", login, passwords)
			}
		}
	}
	entries, err := os.ReadDir(c.dir)
	if err != nil || len(entries) != 6 {
		t.Errorf("the folder holds %v (%v)", entries, err)
	}
	for _, e := range entries {
		if info, err := e.Info(); err != nil || info.Mode() != 0o600 {
			t.Errorf("%s: %v %v", e.Name(), info.Mode(), err)
		}
	}
}
