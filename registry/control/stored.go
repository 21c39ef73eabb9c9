package control

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/poolkeeper/poolkeeper/registry"
)

// How values look in the database, where that is not how they look here.

// storedID scans the text of an id. One that somebody wrote by hand and that
// is none is an error.
type storedID registry.ID

func (id *storedID) ScanText(text pgtype.Text) error {
	parsed, err := registry.ParseID(text.String)
	if err != nil {
		return fmt.Errorf("control: a record has the id %q: %w", text.String, err)
	}
	*id = storedID(parsed)
	return nil
}

// storedLimits are limits as JSON: durations in milliseconds, which is what
// the server counts in; what is zero is left out.
type storedLimits struct {
	MaxConns                 int   `json:"max_conns,omitempty"`
	Queue                    int   `json:"queue,omitempty"`
	GuaranteedConns          int   `json:"guaranteed_conns,omitempty"`
	Weight                   int   `json:"weight,omitempty"`
	StatementTimeout         int64 `json:"statement_timeout_ms,omitempty"`
	IdleInTransactionTimeout int64 `json:"idle_in_transaction_timeout_ms,omitempty"`
	IdleAfter                int64 `json:"idle_after_ms,omitempty"`
	QueueTimeout             int64 `json:"queue_timeout_ms,omitempty"`

	Rate      float64 `json:"rate,omitempty"`
	Burst     int     `json:"burst,omitempty"`
	InFlight  int     `json:"in_flight,omitempty"`
	MaxBody   int64   `json:"max_body,omitempty"`
	MaxResult int64   `json:"max_result,omitempty"`
	CacheFor  int64   `json:"cache_for_ms,omitempty"`
}

func limitsOf(l registry.Limits) storedLimits {
	return storedLimits{
		MaxConns: l.MaxConns, Queue: l.Queue, GuaranteedConns: l.GuaranteedConns, Weight: l.Weight,
		StatementTimeout:         l.StatementTimeout.Milliseconds(),
		IdleInTransactionTimeout: l.IdleInTransactionTimeout.Milliseconds(),
		IdleAfter:                l.IdleAfter.Milliseconds(),
		QueueTimeout:             l.QueueTimeout.Milliseconds(),
		Rate:                     l.Rate, Burst: l.Burst, InFlight: l.InFlight,
		MaxBody: l.MaxBody, MaxResult: l.MaxResult, CacheFor: l.CacheFor.Milliseconds(),
	}
}

func (l storedLimits) limits() registry.Limits {
	return registry.Limits{
		MaxConns: l.MaxConns, Queue: l.Queue, GuaranteedConns: l.GuaranteedConns, Weight: l.Weight,
		StatementTimeout:         time.Duration(l.StatementTimeout) * time.Millisecond,
		IdleInTransactionTimeout: time.Duration(l.IdleInTransactionTimeout) * time.Millisecond,
		IdleAfter:                time.Duration(l.IdleAfter) * time.Millisecond,
		QueueTimeout:             time.Duration(l.QueueTimeout) * time.Millisecond,
		Rate:                     l.Rate, Burst: l.Burst, InFlight: l.InFlight,
		MaxBody: l.MaxBody, MaxResult: l.MaxResult, CacheFor: time.Duration(l.CacheFor) * time.Millisecond,
	}
}

// empty is what most rows have, and need not be parsed.
const empty = "{}"

// UnmarshalJSON reads what the database holds. Keys of a later release are
// passed over.
func (l *storedLimits) UnmarshalJSON(text []byte) error {
	type plain storedLimits
	*l = storedLimits{}
	if string(text) == empty {
		return nil
	}
	return json.Unmarshal(text, (*plain)(l))
}

// storedLabels are a map; an empty one is nil, as in a record that has none.
type storedLabels map[string]string

// UnmarshalJSON reads what the database holds.
func (l *storedLabels) UnmarshalJSON(text []byte) error {
	*l = nil
	if string(text) == empty {
		return nil
	}
	return json.Unmarshal(text, (*map[string]string)(l))
}

// sharedLabels reads labels of many rows. Equal ones become one map, which
// nobody must write to.
type sharedLabels struct {
	to    *map[string]string
	known map[string]map[string]string
}

// maxShared bounds what is remembered: labels may be different for everybody.
const maxShared = 10_000

// ScanBytes reads what the database holds. (Before it called UnmarshalJSON the
// driver would clear s.)
func (s *sharedLabels) ScanBytes(text []byte) error {
	if known, ok := s.known[string(text)]; ok {
		*s.to = known
		return nil
	}
	*s.to = nil
	if string(text) == empty {
		return nil
	}
	err := json.Unmarshal(text, s.to)
	if err == nil && len(s.known) < maxShared {
		s.known[string(text)] = *s.to
	}
	return err
}

// places are the databases that the clusters' connection strings lead to.
type places map[string]string

func newPlaces(clusters map[string]registry.Cluster) places {
	p := places{}
	for name, c := range clusters {
		p[name] = databaseOf(c.DSN)
	}
	return p
}

// of returns the database that the tenant lives in, "" for its cluster's
// default one by whatever name, so that equal places are equal texts.
func (p places) of(t *registry.Tenant) string {
	database := t.Database
	if !t.DSN.IsZero() {
		database = databaseOf(t.DSN)
	}
	if database == p[t.Cluster] {
		return ""
	}
	return database
}

// databaseOf is where a connection string leads, "" for what is none.
func databaseOf(dsn registry.Secret) string {
	cfg, err := pgconn.ParseConfig(dsn.Reveal())
	switch {
	case dsn.IsZero() || err != nil:
		return ""
	case cfg.Database != "":
		return cfg.Database
	default:
		return cfg.User // as the server does
	}
}

// optionalID scans the text of an id, "" for the zero one.
type optionalID struct{ id *registry.ID }

func (o *optionalID) ScanText(text pgtype.Text) error {
	if text.String == "" {
		*o.id = registry.ID{}
		return nil
	}
	return (*storedID)(o.id).ScanText(text)
}
