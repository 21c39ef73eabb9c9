package registry

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// FileConfig says what a [File] reads and how it follows changes.
type FileConfig struct {
	// Path is the YAML file with the keys plans and tenants. Mandatory.
	Path string
	// Dir is a folder of further files (*.yaml, *.yml, those whose name begins
	// with a dot excepted), each with the key tenants. "" means none.
	Dir string
	// Clusters are the servers that records may name.
	Clusters map[string]Cluster
	// Check is asked about the content of Path after the records were found
	// valid, so that a file whose other parts are wrong changes nothing
	// either. nil means no further check. It must not call the File.
	Check func(data []byte) error
	// Reloaded is told how each reload went: how many records were added,
	// changed (suspended ones included) and removed, or why nothing was. A
	// file that stays wrong is told of once. Called from one goroutine at a
	// time; it must not call Reload. nil means nobody listens.
	Reloaded func(added, changed, removed int, err error)
	// Debounce is how long the files must stay as they are before they are
	// read as a change; an editor or a copy takes a moment. 0 means 100ms.
	Debounce time.Duration
	// Poll is how often the files are read without being told of a change:
	// network file systems tell nobody. 0 means 30s.
	Poll time.Duration
}

// Defaults of FileConfig.
const (
	defaultDebounce = 100 * time.Millisecond
	defaultPoll     = 30 * time.Second
)

// maxFile bounds one file of records, in bytes.
const maxFile = 256 << 20

// File is a [Source] that reads YAML files and follows them while somebody
// watches. A change is read and validated as a whole; if anything is wrong,
// the last good records stay. A record that disappears from the files is
// unknown from then on; its data is not touched.
type File struct {
	cfg   FileConfig
	store *store
	// driver holds a token for whoever watches the file system for all.
	driver chan struct{}

	mu sync.Mutex // guards what follows; held while the files are read
	// applied is the fingerprint of what was last parsed, well or badly;
	// pending that of a change that was seen once and has to be seen again.
	applied, pending fingerprint
	secretFiles      []secretFile // that the parsed records refer to, as they were then
}

// fingerprint is a hash of everything that the records are made of.
type fingerprint [sha256.Size]byte

// NewFile reads the files once and returns the source. The error is [Problems]
// when a record is wrong, and whatever Check returned when Check refused.
func NewFile(cfg FileConfig) (*File, error) {
	switch {
	case cfg.Path == "":
		return nil, errors.New("registry: FileConfig.Path is empty; name the file with the tenants")
	case cfg.Debounce < 0 || cfg.Poll < 0:
		return nil, errors.New("registry: FileConfig.Debounce and Poll cannot be negative; 0 means the default")
	}
	if cfg.Debounce == 0 {
		cfg.Debounce = defaultDebounce
	}
	if cfg.Poll == 0 {
		cfg.Poll = defaultPoll
	}
	f := &File{cfg: cfg, store: newStore(nil), driver: make(chan struct{}, 1)}
	docs, err := f.read()
	if err != nil {
		return nil, err
	}
	tenants, err := f.parse(docs)
	if err != nil {
		return nil, err
	}
	f.applied = fingerprintOf(docs, nil, f.secretFiles)
	f.store.replace(tenants)
	return f, nil
}

// Tenant is [Source].Tenant.
func (f *File) Tenant(ctx context.Context, id ID) (*Tenant, error) { return f.store.Tenant(ctx, id) }

// List is [Source].List.
func (f *File) List(ctx context.Context, after ID, limit int) ([]*Tenant, error) {
	return f.store.List(ctx, after, limit)
}

// Count is [Counter].Count.
func (f *File) Count() map[Status]int { return f.store.Count() }

// Reload reads the files now, whether they changed or not, and returns what it
// told FileConfig.Reloaded when everybody who watches was told of the changes.
func (f *File) Reload() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	docs, err := f.read()
	return f.applyLocked(docs, err)
}

// settle reads the files and applies a change once it has been seen twice in a
// row. It reports whether there is nothing left to wait for.
func (f *File) settle() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	docs, err := f.read()
	secrets := make([]secretFile, len(f.secretFiles))
	for i, s := range f.secretFiles {
		secrets[i] = s.again()
	}
	switch seen := fingerprintOf(docs, err, secrets); seen {
	case f.applied:
		f.pending = seen
		return true
	case f.pending:
		_ = f.applyLocked(docs, err) // Reloaded was told
		return true
	default:
		f.pending = seen
		return false
	}
}

// applyLocked makes the records of the documents the current ones, unless
// reading them failed or they are wrong, and tells how it went.
func (f *File) applyLocked(docs []Document, err error) error {
	var tenants []*Tenant
	unread := err
	if err == nil {
		tenants, err = f.parse(docs)
	}
	// After parsing, with the secrets as that saw them: one that changes
	// right now is a change of its own.
	f.applied = fingerprintOf(docs, unread, f.secretFiles)
	f.pending = f.applied
	var count map[ChangeKind]int
	if err == nil {
		count = countKinds(f.store.replace(tenants))
	}
	if f.cfg.Reloaded != nil {
		f.cfg.Reloaded(count[Added], count[Changed]+count[LimitsChanged]+count[Suspended], count[Removed], err)
	}
	return err
}

func countKinds(changes []Change) map[ChangeKind]int {
	count := map[ChangeKind]int{}
	for _, c := range changes {
		count[c.Kind]++
	}
	return count
}

// parse validates the documents as a whole.
func (f *File) parse(docs []Document) ([]*Tenant, error) {
	tenants, secretFiles, err := parse(docs, f.cfg.Clusters)
	f.secretFiles = secretFiles
	if err == nil && f.cfg.Check != nil {
		err = f.cfg.Check(docs[0].Data)
	}
	if err != nil {
		return nil, err
	}
	return tenants, nil
}

// read reads the file and those of the folder.
func (f *File) read() ([]Document, error) {
	paths := []string{f.cfg.Path}
	if f.cfg.Dir != "" {
		more, err := tenantFiles(f.cfg.Dir)
		if err != nil {
			return nil, err
		}
		paths = append(paths, more...)
	}
	docs := make([]Document, len(paths))
	for i, path := range paths {
		data, err := readUpTo(path, maxFile)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil, Problems{{File: path, Message: "there is no such file"}}
		case err != nil:
			return nil, Problems{{File: path, Message: "cannot be read: " + err.Error()}}
		case len(strings.TrimSpace(string(data))) == 0:
			// To write a file is first to empty it: this may be a half
			// of a change, and would remove every tenant.
			return nil, Problems{{File: path, Message: "is empty; a file without tenants has the line tenants: {}"}}
		}
		docs[i] = Document{Path: path, Data: data}
	}
	return docs, nil
}

// ReadDir reads the files of a folder of tenants in the order of their names,
// for [ParseDocuments].
func ReadDir(dir string) ([]Document, error) {
	paths, err := tenantFiles(dir)
	if err != nil {
		return nil, err
	}
	docs := make([]Document, len(paths))
	for i, path := range paths {
		data, err := readUpTo(path, maxFile)
		if err != nil {
			return nil, Problems{{File: path, Message: "cannot be read: " + err.Error()}}
		}
		docs[i] = Document{Path: path, Data: data}
	}
	return docs, nil
}

// tenantFiles lists the files of a folder that hold tenants, by name.
func tenantFiles(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, Problems{{File: dir, Message: fmt.Sprintf("this folder of tenants cannot be read: %v", err)}}
	}
	var paths []string
	for _, e := range entries {
		if !e.IsDir() && isTenantFile(e.Name()) {
			paths = append(paths, filepath.Join(dir, e.Name()))
		}
	}
	return paths, nil
}

func isTenantFile(name string) bool {
	ext := filepath.Ext(name)
	return (ext == ".yaml" || ext == ".yml") && !strings.HasPrefix(name, ".")
}

// fingerprintOf hashes what was read, or why nothing could be, and the secrets
// that lie in other files.
func fingerprintOf(docs []Document, err error, secrets []secretFile) fingerprint {
	hash := sha256.New()
	add := func(text string) {
		var size [8]byte
		binary.BigEndian.PutUint64(size[:], uint64(len(text)))
		_, _ = hash.Write(append(size[:], text...)) // a hash takes everything
	}
	for _, doc := range docs {
		add(doc.Path)
		add(string(doc.Data))
	}
	if err != nil {
		add(err.Error())
	}
	for _, s := range secrets {
		add(s.path)
		add(s.seen.Reveal())
	}
	return fingerprint(hash.Sum(nil))
}
