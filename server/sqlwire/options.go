package sqlwire

import "net/http"

// Headers of the protocol, in the canonical form of net/http. The connection string is the router's business.
const (
	headerRawText    = "Neon-Raw-Text-Output"
	headerArrayMode  = "Neon-Array-Mode"
	headerIsolation  = "Neon-Batch-Isolation-Level"
	headerReadOnly   = "Neon-Batch-Read-Only"
	headerDeferrable = "Neon-Batch-Deferrable"
)

// Options are what the Neon-* headers ask for; the zero value is what a request without them gets.
type Options struct {
	RawText   bool      // values as PostgreSQL's text; else bool, small numbers, json and arrays of them become JSON
	ArrayMode bool      // rows as arrays; else as objects
	Batch     TxOptions // used by batches only
}

// TxOptions are the options of a batch's transaction. What is not set is left to the session's defaults.
type TxOptions struct {
	Isolation  string // "", or as in the header: ReadUncommitted, ReadCommitted, RepeatableRead, Serializable
	ReadOnly   bool
	Deferrable bool
}

// ParseOptions reads the Neon-* headers. Switches count when they are exactly "true". The error is a *BadRequestError: an isolation level
// that does not exist, which is refused on single queries too.
func ParseOptions(h http.Header) (Options, error) {
	o := Options{
		RawText:   h.Get(headerRawText) == "true",
		ArrayMode: h.Get(headerArrayMode) == "true",
		Batch: TxOptions{
			Isolation:  h.Get(headerIsolation),
			ReadOnly:   h.Get(headerReadOnly) == "true",
			Deferrable: h.Get(headerDeferrable) == "true",
		},
	}
	if len(h.Values(headerIsolation)) > 0 && isolationSQL(o.Batch.Isolation) == "" {
		return Options{}, &BadRequestError{Message: "invalid isolation level"}
	}
	return o, nil
}

// Echo sets the response headers that repeat the options of a batch, those that were set.
func (o Options) Echo(h http.Header) {
	if o.Batch.Isolation != "" {
		h.Set(headerIsolation, o.Batch.Isolation)
	}
	if o.Batch.ReadOnly {
		h.Set(headerReadOnly, "true")
	}
	if o.Batch.Deferrable {
		h.Set(headerDeferrable, "true")
	}
}

// begin returns the statement that starts a batch's transaction.
func (t TxOptions) begin() string {
	sql := "begin" + isolationSQL(t.Isolation)
	if t.ReadOnly {
		sql += " read only"
	}
	if t.Deferrable {
		sql += " deferrable"
	}
	return sql
}

// isolationSQL returns the clause for a level as the header writes it, "" for any other text.
func isolationSQL(level string) string {
	switch level {
	case "ReadUncommitted":
		return " isolation level read uncommitted"
	case "ReadCommitted":
		return " isolation level read committed"
	case "RepeatableRead":
		return " isolation level repeatable read"
	case "Serializable":
		return " isolation level serializable"
	default:
		return ""
	}
}
