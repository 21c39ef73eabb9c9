package pools

// Reason says why a pool was retired.
type Reason string

// The reasons. Every retirement has exactly one.
const (
	// ReasonIdle: nobody leased it for as long as its tenant may idle.
	ReasonIdle Reason = "idle"
	// ReasonOverflow: it was the least recently used when room was needed.
	ReasonOverflow Reason = "overflow"
	// ReasonReplaced: its record changed.
	ReasonReplaced Reason = "replaced"
	// ReasonSuspended: its record is not active any more.
	ReasonSuspended Reason = "suspended"
	// ReasonRemoved: its record is gone.
	ReasonRemoved Reason = "removed"
	// ReasonEvicted: an operator asked for it.
	ReasonEvicted Reason = "evicted"
	// ReasonShutdown: the keeper drains.
	ReasonShutdown Reason = "shutdown"
)

// SQL says who writes the SQL that runs on leases, and so how far a session
// is trusted when it comes back.
type SQL string

const (
	// Untrusted SQL comes from clients: every release resets the session
	// selectively, pins it again and checks it, whatever the server. What LISTEN
	// brings is dropped: pgx.Conn.WaitForNotification has nothing to return, and
	// returns nil without an error.
	Untrusted SQL = "untrusted"
	// Trusted SQL is the application's own. On servers that report the
	// search path (PostgreSQL 18 and later) the report is checked, which
	// costs nothing, and nothing else: settings, locks and temporary tables
	// are the application's to undo, as with any pool. A DISCARD or
	// DEALLOCATE is noticed when it goes through pgx, not below it. Older
	// servers, and row isolation, are treated as untrusted.
	Trusted SQL = "trusted"
)
