// Package adminwire holds what the admin API says and hears, as JSON: the
// server writes it, and the command line and other clients read it.
package adminwire

import (
	"encoding/json"
	"time"
)

// Limits are a tenant's own limits; what is absent is its plan's, or the
// default of the section that it belongs to. Durations are texts such as "30s".
type Limits struct {
	MaxConns                 int    `json:"max_conns,omitempty"`
	Queue                    int    `json:"queue,omitempty"`
	GuaranteedConns          int    `json:"guaranteed_conns,omitempty"`
	Weight                   int    `json:"weight,omitempty"`
	StatementTimeout         string `json:"statement_timeout,omitempty"`
	IdleInTransactionTimeout string `json:"idle_in_transaction_timeout,omitempty"`
	IdleAfter                string `json:"idle_after,omitempty"`
	QueueTimeout             string `json:"queue_timeout,omitempty"`
	// Rate is in requests a second and may have a fraction. MaxBody and
	// MaxResult are in bytes.
	Rate      float64 `json:"rate,omitempty"`
	Burst     int     `json:"burst,omitempty"`
	InFlight  int     `json:"in_flight,omitempty"`
	MaxBody   int64   `json:"max_body,omitempty"`
	MaxResult int64   `json:"max_result,omitempty"`
	CacheFor  string  `json:"cache_for,omitempty"`
}

// Tenant is a record without its secrets.
type Tenant struct {
	ID             string            `json:"id"`
	Name           string            `json:"name"`
	Status         string            `json:"status"`             // effective
	State          string            `json:"state,omitempty"`    // what operators say; absent without a control database
	Declared       string            `json:"declared,omitempty"` // what the file says; absent when it says nothing
	Reason         string            `json:"reason,omitempty"`
	Plan           string            `json:"plan,omitempty"`
	Cluster        string            `json:"cluster"`
	Isolation      string            `json:"isolation"`
	Schema         string            `json:"schema,omitempty"`
	Database       string            `json:"database,omitempty"`
	Login          string            `json:"login,omitempty"`
	ReadLogin      string            `json:"read_login,omitempty"` // can only read; absent when there is none
	OwnDSN         bool              `json:"own_dsn"`
	SharedLogin    bool              `json:"shared_login"`
	DDL            bool              `json:"ddl"`
	Limits         Limits            `json:"limits"` // effective
	OwnLimits      *Limits           `json:"own_limits,omitempty"`
	Labels         map[string]string `json:"labels,omitempty"`
	Migrated       *int64            `json:"migrated,omitempty"`
	MigrationError string            `json:"migration_error,omitempty"`
	Deleting       bool              `json:"deleting,omitempty"`
	Version        uint64            `json:"version"`
	CreatedAt      *time.Time        `json:"created_at,omitempty"`
	UpdatedAt      *time.Time        `json:"updated_at,omitempty"`
}

// TenantPage answers GET /v1/tenants. Next is the "after" of the next page.
type TenantPage struct {
	Tenants []Tenant `json:"tenants"`
	Next    string   `json:"next,omitempty"`
}

// NewTenant is the body of POST /v1/tenants. What is absent comes from the
// plan, or follows from the id: schema and login of its own, a generated
// password, the cluster with the most room.
type NewTenant struct {
	ID        string            `json:"id"`
	Name      string            `json:"name,omitempty"`
	Plan      string            `json:"plan,omitempty"`
	Cluster   string            `json:"cluster,omitempty"`
	Isolation string            `json:"isolation,omitempty"`
	Schema    string            `json:"schema,omitempty"`
	Database  string            `json:"database,omitempty"`
	Login     string            `json:"login,omitempty"`
	Password  string            `json:"password,omitempty"`
	DSN       string            `json:"dsn,omitempty"`
	DDL       *bool             `json:"ddl,omitempty"`
	Limits    Limits            `json:"limits,omitzero"`
	Labels    map[string]string `json:"labels,omitempty"`
}

// Bodies of what is done to a tenant; each may be left out but CloneRequest.
type (
	// SuspendRequest is the body of POST /v1/tenants/{id}/suspend.
	SuspendRequest struct {
		Reason string `json:"reason,omitempty"`
	}
	// RetireRequest is the body of POST /v1/tenants/{id}/retire.
	RetireRequest struct {
		Export *bool `json:"export,omitempty"` // default true
	}
	// CloneRequest is the body of POST /v1/tenants/{id}/clone: the new tenant,
	// of which what is absent is the source's.
	CloneRequest struct {
		NewTenant
		Data *bool `json:"data,omitempty"` // default true
	}
)

// Operation is a piece of work that may outlive the request that began it. In a
// list it is without its result, and has only a few of its failures.
type Operation struct {
	ID       string          `json:"id"`
	Kind     string          `json:"kind"`
	Tenant   string          `json:"tenant,omitempty"`
	Actor    string          `json:"actor"`
	State    string          `json:"state"` // running, done, failed, interrupted
	Step     string          `json:"step,omitempty"`
	Done     int             `json:"done"`
	Total    int             `json:"total"`
	Failed   int             `json:"failed,omitempty"` // how many failures there are
	Failures []Failure       `json:"failures,omitempty"`
	Result   json.RawMessage `json:"result,omitempty"`
	Error    string          `json:"error,omitempty"`
	Code     string          `json:"code,omitempty"`
	Replica  string          `json:"replica,omitempty"` // host:pid of the process that works on it, or did
	Started  time.Time       `json:"started"`
	Updated  time.Time       `json:"updated"`
	Ended    *time.Time      `json:"ended,omitempty"`
}

// Failure is what went wrong for one of many tenants.
type Failure struct {
	Tenant string `json:"tenant"`
	Error  string `json:"error"`
}

// OperationPage answers GET /v1/operations; Next is its "before".
type OperationPage struct {
	Operations []Operation `json:"operations"`
	Next       string      `json:"next,omitempty"`
}

// ApplyPlan answers POST /v1/apply?dry_run=true, and is the result of the operation of POST /v1/apply.
type ApplyPlan struct {
	Changes []ApplyChange `json:"changes"` // only what is not as declared, by id
	Same    int           `json:"same"`    // how many are as declared
}

// ApplyChange is a tenant that is not as declared. Action is add, change,
// suspend (gone from the file, or declared so) or resume.
type ApplyChange struct {
	Action string        `json:"action"`
	Tenant string        `json:"tenant"`
	Fields []FieldChange `json:"fields,omitempty"`
	Error  string        `json:"error,omitempty"` // after an apply: why it was not done
}

// FieldChange never contains a secret: those read "(changed)".
type FieldChange struct {
	Field string `json:"field"`
	Old   string `json:"old"`
	New   string `json:"new"`
}

// MigrateRequest is the body of POST /v1/migrations.
type MigrateRequest struct {
	Direction  string   `json:"direction,omitempty"` // up (default) or down
	Tenants    []string `json:"tenants,omitempty"`   // default: all that are behind
	Canary     []string `json:"canary,omitempty"`    // first; the rest only if all of them pass
	OnlyFailed bool     `json:"only_failed,omitempty"`
	Run        string   `json:"run,omitempty"`     // down: the operation whose migrations are undone
	Workers    int      `json:"workers,omitempty"` // default: what the budget leaves
	DryRun     bool     `json:"dry_run,omitempty"` // answers a MigrationPlan
}

// MigrationPlan says who would get what.
type MigrationPlan struct {
	Tenants []PlannedMigration `json:"tenants"`
}

// PlannedMigration is what one tenant would get.
type PlannedMigration struct {
	Tenant string   `json:"tenant"`
	From   int64    `json:"from"`
	Files  []string `json:"files"`
}

// MigrationStatus answers GET /v1/migrations (?verify=true reads each tenant's own table).
type MigrationStatus struct {
	Sets   []MigrationSet `json:"sets"`
	Behind int            `json:"behind"`
	Failed int            `json:"failed"`
	// Drift lists, with verify, tenants whose own table says something else than the mirror.
	Drift []Drift `json:"drift,omitempty"`
}

// MigrationSet says how many tenants are at which version of a set.
type MigrationSet struct {
	Set      string         `json:"set"` // tenant, shared
	Latest   int64          `json:"latest"`
	Versions []VersionCount `json:"versions"`
}

// VersionCount is how many tenants are at a version; Failed of them had an
// error in their last try.
type VersionCount struct {
	Version int64 `json:"version"`
	Tenants int   `json:"tenants"`
	Failed  int   `json:"failed,omitempty"`
}

// Drift is a tenant whose own table says Actual where the control database
// says Mirror; Error is why it could not be read.
type Drift struct {
	Tenant string `json:"tenant"`
	Mirror int64  `json:"mirror"`
	Actual int64  `json:"actual"`
	Error  string `json:"error,omitempty"`
}

// MigrationResult is the result of a migrate operation.
type MigrationResult struct {
	Migrated int   `json:"migrated"`
	Failed   int   `json:"failed"`
	Skipped  int   `json:"skipped"` // after a canary failed
	Applied  int   `json:"applied"` // files, over all tenants
	TookMS   int64 `json:"took_ms"`
	// Changes has the version before of each tenant that is at another now.
	Changes map[string]int64 `json:"changes,omitempty"`
}

// ExportResult is the result of an export operation, and of retire and delete.
type ExportResult struct {
	File   string `json:"file,omitempty"` // name below /v1/exports/
	Bytes  int64  `json:"bytes,omitempty"`
	SHA256 string `json:"sha256,omitempty"`
	Format string `json:"format,omitempty"` // pg_dump custom, or tar of CSV
}

// Finding is something that the doctor found.
type Finding struct {
	Check    string `json:"check"`    // budget, privileges, pooler, shadow, orphan, migrations, unreachable, ...
	Severity string `json:"severity"` // error, warning, info
	Subject  string `json:"subject"`  // cluster main, tenant acme
	Message  string `json:"message"`
	Remedy   string `json:"remedy"`
}

// DoctorReport answers POST /v1/doctor. Checked names the checks that were
// made.
type DoctorReport struct {
	Findings []Finding `json:"findings"`
	Checked  []string  `json:"checked"`
}

// Event is an entry of the audit trail.
type Event struct {
	ID     int64           `json:"id"`
	At     time.Time       `json:"at"`
	Actor  string          `json:"actor"`
	Action string          `json:"action"`
	Tenant string          `json:"tenant,omitempty"`
	Detail json.RawMessage `json:"detail,omitempty"`
	Error  string          `json:"error,omitempty"`
}

// EventPage answers GET /v1/audit; Next is its "before".
type EventPage struct {
	Events []Event `json:"events"`
	Next   int64   `json:"next,omitempty"`
}

// Problem is an error as RFC 9457 has it. Code is for programs.
type Problem struct {
	Type      string `json:"type,omitempty"`
	Title     string `json:"title"`
	Status    int    `json:"status"`
	Detail    string `json:"detail,omitempty"`
	Code      string `json:"code"`
	RequestID string `json:"request_id,omitempty"`
	// Operation is the one that failed while the request waited for it.
	Operation *Operation `json:"operation,omitempty"`
	// Problems are what is wrong with a file (code invalid_file).
	Problems []FileProblem `json:"problems,omitempty"`
}

// FileProblem is one thing that is wrong with a file; Line counts from 1, and
// is absent when no line can be named.
type FileProblem struct {
	File    string `json:"file,omitempty"`
	Line    int    `json:"line,omitempty"`
	Field   string `json:"field,omitempty"`
	Message string `json:"message"`
}
