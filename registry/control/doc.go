// Package control is the control database: the records of all tenants, the
// locks that keep two workers from one tenant, the journal of operations, the
// audit trail, the stock of spare tenants and the mirror of what each tenant's
// data is migrated to. It is a registry.Source.
//
//	db, err := control.New(cfg, control.Options{Clusters: clusters, Plans: plans, Log: log})
//	err = db.Open(ctx)  // connects, migrates the schema poolkeeper, checks the keyset
//	defer db.Close()
//	err = db.Load(ctx)  // for who serves: all records into memory
//	r, err := db.Create(ctx, &control.Record{...})
//
// It is a database of its own, to which no tenant may connect: whoever can is
// able to send notifications and to hold advisory locks in it.
//
// # Records
//
// A [Record] says two things of a tenant's state: what operators say (State)
// and what the file says (Declared); the stricter of the two holds. Its own
// limits are stored; what it gets are those laid over its plan's. Secrets are
// stored sealed (package seal) or as references (env:NAME, file:PATH), never
// in clear.
//
// Every change of a record gets the next number of one sequence. Writers take
// turns from their first change to their commit, so the order of the numbers
// is the order in which changes become visible, and a reader that has seen
// number n has seen everything up to n. Triggers in the database do this, so
// changes made by hand count too.
//
// # Replicas
//
// A process that has called [Database.Load] answers lookups from memory. It
// hears of changes by LISTEN, on a connection of its own, and reads what has a
// higher number than the last it knows; notifications carry nothing and are
// only hints. After a reconnect, and every Config.Poll, it looks by itself. A
// process that could not look for twice that long asks the database for each
// record, and says so when that fails.
//
// # Locks
//
// A lock is a row with an end that its holder keeps moving. A holder that dies
// is silent, and its locks are anybody's after Config.LockTTL. A holder that
// cannot renew ends its own context no later than that.
package control
