package onboard

import (
	"context"
	"time"
)

// The parts that have tests of their own.
var (
	Quote        = quote
	CheckName    = checkName
	CheckSchema  = checkSchema
	OwnerName    = ownerName
	VerifierWith = verifierWith
	Verifier     = verifier
)

// MaxName is the length of PostgreSQL's names.
const MaxName = maxName

// KeyedMutex is a mutex for each key.
type KeyedMutex struct{ k keyedMutex }

// Lock waits for a key.
func (m *KeyedMutex) Lock(ctx context.Context, key string) (func(), error) { return m.k.lock(ctx, key) }

// Len is the number of keys that are held or waited for.
func (m *KeyedMutex) Len() int {
	m.k.mu.Lock()
	defer m.k.mu.Unlock()
	return len(m.k.keys)
}

// Patience has connections wait so long for a server.
func (p *Provisioner) Patience(d time.Duration) { p.way.patience = d }
