// Package registry knows who the tenants are and where their data lives. It
// opens no connection and knows no HTTP: it is the bottom of Poolkeeper, and
// every other package speaks its words.
//
// # Words
//
//   - An [ID] names a tenant. [ParseID] is the only way to get one, so code
//     that holds an ID need not look at its text again.
//   - A [Tenant] is the record: status, cluster, isolation, where the data is,
//     limits. Records are shared between goroutines and never changed; a
//     change makes a new record with a higher Version.
//   - A [Cluster] is one PostgreSQL server, named in the configuration.
//   - A [Source] is where records come from. [Static] keeps them in memory,
//     [Live] too, but is changed a few at a time, [File] reads them from YAML
//     and follows the file. Package sourcetest holds the tests that every
//     source passes.
//   - A [Plan] is a named block of defaults. [ParseDocuments] fills it in,
//     [ParseDeclared] also says what a tenant gave itself.
//   - The [Registry] is the cached lookup in front of one source.
//   - A reader is a tenant seen through its ReadLogin, which cannot write. It
//     has an id ([ID.Reader]) that cannot be parsed, and a record that the
//     Registry derives from the tenant's; no source lists it.
//
// # What each isolation pins
//
//   - schema: the tenant's own schema, by search_path.
//   - database: a database that no other tenant uses.
//   - row: a setting that the row policies of shared tables compare with.
//
// With a login of its own as well, PostgreSQL's privileges are the wall, which
// is what [Tenant].SharedLogin is about: it is derived, never declared, because
// whoever forgets to declare it would open the wall.
//
// # What the lookup promises
//
//  1. It fails closed: no record, an inactive one or a source that is silent is
//     an error, never another tenant.
//  2. One question to the source at a time for each id, whatever the number of
//     callers. It is detached from all of them and has a time limit of its own;
//     each caller leaves on its own context.
//  3. After a source has told of a change, no caller that comes later sees the
//     old record: the cache is purged before subscribers are called, and both
//     before the source's call returns. An answer that was on its way meanwhile
//     is thrown away and asked for again.
//  4. Memory is bounded, known and unknown ids apart: a flood of invented ids
//     cannot push real records out.
//  5. When the source is silent, a record that was known is served on for
//     [Config].StaleFor, and no longer: a suspension that cannot be heard of
//     must not be ignored for ever.
//
// # Locks
//
// A hit takes no lock: it is one load from a sync.Map and two from the entry.
// Registry.mu guards what changes the cache; it is never held while the source
// is asked or a subscriber is called. A source holds its own mutex while it
// tells of a change, so that changes arrive in their order; a subscriber must
// therefore not change the source. Order: the source's mutex, then Registry.mu.
package registry
