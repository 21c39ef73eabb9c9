package control

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/apikey"
	"github.com/poolkeeper/poolkeeper/registry/seal"
)

// Database is the control database. Its methods may be called concurrently.
type Database struct {
	cfg      Config
	clusters map[string]registry.Cluster
	places   places
	keyset   *seal.Keyset // nil without control.keyset
	name     string
	instance string // the name, made unique: another process may have it after us
	log      *slog.Logger
	dial     pgconn.DialFunc // nil: the driver's own way
	pool     *patient        // written by Open
	conns    int             // of the pool
	writers  chan struct{}   // holds one for each that writes records

	plans atomic.Pointer[map[string]registry.Plan]
	live  *registry.Live
	seen  sight
	hears atomic.Bool // whether a connection listens
	held  held

	ring       *apikey.Ring
	seasoning  seasoning
	unseasoned atomic.Pointer[error] // why no key can be verified; nil when they can
	staleFor   time.Duration
	renewal    renewal
	notedEvery time.Duration

	stop    chan struct{} // closed by Close: everything in the background ends
	stopped sync.Once
	working sync.WaitGroup // what runs in the background
}

// New returns a Database that is not connected yet.
func New(cfg Config, o Options) (*Database, error) {
	if cfg.DSN.IsZero() {
		return nil, errors.New("control.dsn: is missing; it names the control database")
	}
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	d := &Database{
		cfg: cfg, clusters: o.Clusters, places: newPlaces(o.Clusters), name: o.Name, log: o.Log,
		live: registry.NewLive(o.Clusters), ring: apikey.NewRing(), staleFor: o.StaleFor, notedEvery: notedEvery, stop: make(chan struct{}),
	}
	d.Share(MaxConns)
	if d.name == "" {
		host, _ := os.Hostname() // without one the number of the process has to do
		d.name = fmt.Sprintf("%s:%d", host, os.Getpid())
	}
	d.instance = d.name + "/" + rand.Text()[:12]
	if d.log == nil {
		d.log = slog.New(slog.DiscardHandler)
	}
	d.plans.Store(&o.Plans)
	d.held.locks = map[string]*lock{}
	d.seen.own, d.seen.refused = owned{}, map[registry.ID]uint64{}
	return d, d.resolve()
}

// resolve reads what the configuration refers to.
func (d *Database) resolve() (err error) {
	if d.cfg.DSN, err = d.cfg.DSN.Resolve(""); err != nil {
		return fmt.Errorf("control.dsn: %w", err)
	}
	if d.cfg.Keyset.IsZero() {
		return nil
	}
	text, err := d.cfg.Keyset.Resolve("")
	if err != nil {
		return fmt.Errorf("%w: control.keyset: %w", ErrKeyset, err)
	}
	if d.keyset, err = seal.Parse(text); err != nil {
		return fmt.Errorf("%w: control.keyset: %w", ErrKeyset, err)
	}
	return nil
}

// Through has every connection opened by dial; call it before Open.
func (d *Database) Through(dial pgconn.DialFunc) { d.dial = dial }

// Share has queries share at most so many connections, instead of [MaxConns];
// call it before Open. The one that listens comes on top.
func (d *Database) Share(conns int) {
	d.conns = min(max(conns, 1), MaxConns)
	d.writers = make(chan struct{}, writersOf(d.conns))
}

// Open connects, migrates the control schema, checks the keyset against the
// database and starts the heartbeat of locks. Records are loaded by Load. After
// an error the Database cannot be used, but may be closed. Errors: [ErrNewer],
// [ErrKeyset].
func (d *Database) Open(ctx context.Context) error {
	err := d.connect(ctx)
	if err == nil {
		err = d.migrate(ctx)
	}
	if err == nil {
		err = d.checkKeyset(ctx)
	}
	if err == nil {
		err = d.beat(ctx)
	}
	if err != nil {
		d.Close()
		return fmt.Errorf("opening the control database: %w", err)
	}
	d.background(ctx, d.keepBeating)
	return nil
}

// background runs work until Close. It keeps the values of ctx but not its
// end: whoever opened the Database may have a deadline for that.
func (d *Database) background(ctx context.Context, work func(context.Context)) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	d.working.Go(func() {
		defer cancel()
		work(ctx)
	})
	d.working.Go(func() {
		select {
		case <-d.stop:
			cancel()
		case <-ctx.Done():
		}
	})
}

// Close ends what runs in the background and all connections, and takes this
// process off the list of replicas. Locks that are still held are left to
// expire. It may be called twice.
func (d *Database) Close() {
	d.stopped.Do(func() {
		close(d.stop)
		d.renewal.end()
		d.working.Wait()
		if d.pool == nil {
			return
		}
		d.close()
	})
}

// close leaves the list of replicas and writes the last uses of keys, as well
// as that goes: who is silent is taken for gone soon anyway. It has no context
// because Close has none.
func (d *Database) close() {
	defer d.pool.Close()
	if d.pool.Stat().TotalConns() == 0 {
		return // nothing was ever reached, or nothing is any more
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second) // see above
	defer cancel()
	_, err := d.pool.Exec(ctx, "DELETE FROM poolkeeper.replicas WHERE instance = $1", d.instance)
	if err == nil {
		err = d.noteUses(ctx)
	}
	if err != nil {
		d.log.DebugContext(ctx, "this process is left on the list of replicas, or uses of keys were not written", "error", err)
	}
}
