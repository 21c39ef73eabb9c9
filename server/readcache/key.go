package readcache

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"strconv"
	"time"

	"github.com/poolkeeper/poolkeeper/registry"
)

// Read is what is asked of the database.
type Read struct {
	// Reader says that the tenant's reader asks.
	Reader bool
	SQL    string
	Params [][]byte // nil elements are NULL
	// Form is whatever else decides how the answer is written.
	Form string
}

// Key says whose answer to what. Keys are comparable; see [KeyOf].
type Key struct {
	tenant  registry.ID // the reader's, when it asks
	version uint64
	asked   [sha256.Size]byte
	place   [sha256.Size]byte // zero: other servers must not find it
	// Do fills these in.
	generation uint64
	epoch      uint64
	// keep is not what two keys differ in: it comes from the version.
	keep time.Duration
}

// longest is how old an answer may get whatever the record says: what is told
// of a flush has to outlast it.
const longest = 24 * time.Hour

// KeyOf returns the key of what is asked by the tenant of the record t.
func KeyOf(t *registry.Tenant, r Read) Key {
	k := Key{tenant: t.ID.Tenant(), version: t.Version, asked: r.digest(), keep: min(t.Limits.CacheFor, longest)}
	if r.Reader {
		k.tenant = k.tenant.Reader()
	}
	if t.DSN.IsZero() { // a DSN is secret, and its digest could be guessed at
		k.place = placeOf(t)
	}
	return k
}

// digest tells apart whatever differs in one bit: each part goes with its
// length, and NULL is no empty text.
func (r Read) digest() [sha256.Size]byte {
	b := make([]byte, 0, 1<<10)
	b = part(b, r.SQL)
	b = part(b, r.Form)
	for _, p := range r.Params {
		if p == nil {
			b = append(b, null)
			continue
		}
		b = part(append(b, given), string(p))
	}
	return sha256.Sum256(b)
}

// What stands before a parameter.
const (
	null  = 'n'
	given = 'g'
)

// placeOf tells apart records that lead to different data. Versions do so
// within one process only.
func placeOf(t *registry.Tenant) [sha256.Size]byte {
	var b []byte
	for _, p := range []string{t.Cluster, string(t.Isolation), t.Schema, t.Database, t.Login, t.ReadLogin} {
		b = part(b, p)
	}
	return sha256.Sum256(b)
}

func part(b []byte, text string) []byte {
	b = binary.BigEndian.AppendUint64(b, uint64(len(text)))
	return append(b, text...)
}

// name is the key's name in Redis after the prefix. All names of a tenant are
// on one node of a cluster, because of the braces.
func (k Key) name() string {
	who := "w"
	if k.tenant.IsReader() {
		who = "r"
	}
	return "{" + k.tenant.Tenant().String() + "}:read:" + who + ":" + strconv.FormatUint(k.version, 10) + ":" +
		strconv.FormatUint(k.generation, 16) + ":" + hex.EncodeToString(k.place[:8]) + ":" + hex.EncodeToString(k.asked[:])
}

// isLocal reports whether other servers must not find it.
func (k Key) isLocal() bool { return k.place == [sha256.Size]byte{} }
