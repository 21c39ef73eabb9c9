package registry_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/sourcetest"
)

func TestAFolderOfTenantsIsFollowedToo(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	path, dir := filepath.Join(root, "config.yaml"), filepath.Join(root, "tenants.d")
	must(t, os.Mkdir(dir, 0o700))
	must(t, os.Mkdir(filepath.Join(dir, "folder.yaml"), 0o700))
	write(t, path, "plans: {gold: {limits: {queue: 3}}}\n"+lines("acme"))
	write(t, filepath.Join(dir, "b.yaml"), lines("globex"))
	write(t, filepath.Join(dir, ".hidden.yaml"), "no tenants")
	write(t, filepath.Join(dir, "notes.txt"), "no tenants")
	f := follow(t, registry.FileConfig{Path: path, Dir: dir})
	f.settle(t, filepath.Join(dir, "b.yaml"))
	f.has(t, "acme", "globex")
	write(t, filepath.Join(dir, "a.yml"), "tenants: {hooli: {plan: gold, cluster: main, isolation: schema}}")
	f.expect(t, "+1 ~0 -0 <nil>")
	f.has(t, "acme", "globex", "hooli")
	must(t, os.Remove(filepath.Join(dir, "b.yaml")))
	f.expect(t, "+0 ~0 -1 <nil>")
	f.has(t, "acme", "hooli")
	write(t, filepath.Join(dir, "c.yaml"), lines("acme"))
	f.expect(t, "+0 ~0 -0 "+filepath.Join(dir, "c.yaml")+":2: tenants.acme: is given twice; the first is at "+path+":3")
	f.has(t, "acme", "hooli")
}

func TestReadDirFeedsParseDocuments(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "b.yaml"), lines("b"))
	write(t, filepath.Join(dir, "a.yml"), lines("a"))
	docs, err := registry.ReadDir(dir)
	must(t, err)
	tenants, err := registry.ParseDocuments(append([]registry.Document{{Path: "main"}}, docs...), sourcetest.Clusters())
	if err != nil || len(docs) != 2 || docs[0].Path != filepath.Join(dir, "a.yml") || len(tenants) != 2 {
		t.Errorf("got %v, %v, %v", docs, tenants, err)
	}
	if _, err := registry.ReadDir(filepath.Join(dir, "none")); err == nil {
		t.Error("a folder that is not there was read")
	}
}
