// Package onboard makes a tenant real: from its record to a role, a schema or
// a database, privileges, tables, and a connection that works.
//
//	p, err := onboard.New(cfg, clusters, log)
//	err = p.Provision(ctx, tenant) // nil: the tenant can be served
//
// [Provisioner.Provision] works with the cluster's administrator
// (registry.Cluster.Admin) and looks before it acts: running it again changes
// nothing, and running it after a crash heals what was left half done. It
// returns nil only after a connection as the tenant has worked, so whoever
// calls it registers the tenant afterwards.
//
// # What the isolations get
//
//	schema    a login of the tenant's own; a role that owns the schema and
//	          cannot log in (with ddl: the login owns it); the login may use
//	          the schema and read and write its tables, and nothing else
//	database  the same in a database of its own, to which nobody else may
//	          connect
//	row       the cluster's shared login; tables in a shared schema, each with
//	          a forced policy on its column tenant_id; a table without that
//	          column can be read by every tenant and written by none
//
// A record without a login of its own uses the cluster's, which is the one of
// its connection string: it is made when it is missing. A record with a
// connection string of its own is the business of whoever runs that database:
// only the connection is tried.
//
// # The reader
//
// A tenant whose record has a ReadLogin has a second role, which may read what
// the tenant's own login may read and change nothing: CONNECT, USAGE and SELECT,
// also on what the tenant's migrations, or with ddl the tenant, will make; no
// membership in any role. [Provisioner.Provision] and [Provisioner.MakeReader]
// keep its rights exactly those, [Provisioner.SetReadPassword] changes its
// password, and [Provisioner.Drop] removes it. A spare has none, and a clone
// gets none. It exists with isolation schema and database, for a tenant with a
// login of its own.
//
// What it does not give: PostgreSQL knows no right that is denied, so what the
// tenant opens to everybody is open to its reader. A function of the tenant's
// with SECURITY DEFINER runs with the rights of its owner and may write for
// whoever calls it, and INSERT that is granted to PUBLIC is granted to the
// reader as well. None of that reaches another tenant. The reader may change
// its own password and settings, as every role may; both are set back.
//
// # What every database with tenants gets
//
// CONNECT and TEMPORARY are revoked from PUBLIC, as are pg_stat_activity; the
// advisory lock functions (one tenant could otherwise fill the lock table of
// the whole server), except pg_advisory_unlock_all, with which Poolkeeper
// itself tidies sessions; and the functions that write large objects (a tenant
// that may make no tables could otherwise fill the disk with them);
// pg_logical_emit_message, which forges messages for whoever decodes the log;
// and the input functions that take a type by its number, with which one
// tenant's types could be made to run for another. Each login of a tenant's own
// has a temp_file_limit of 10GB, unless an operator has set one. Only a
// superuser can do all but the first: another administrator gets a warning in
// the log which names the statements. CONNECT on template1 is revoked from
// PUBLIC as well, because nobody can make a database while somebody is in there.
// No tenant is let into the control database.
//
// # What else is done to a tenant
//
// [Provisioner.SetPassword] is one step of a rotation,
// [Provisioner.LimitConnections] follows a change of limits,
// [Provisioner.Claim] gives a spare the names of a tenant, and
// [Provisioner.Drop] removes a tenant for good. Like Provision they look before
// they act: run again, each finishes what was cut short at any point.
// [WithSteps] tells the points.
//
// # Who the administrator may be
//
// A superuser; or a role with CREATEROLE and INHERIT (which is the default),
// with CREATEDB where tenants get databases, and owner of the database in which
// tenants get schemas. Such a role makes itself a member of the roles it works
// for while it works, and ends that afterwards, or, after a crash, the next
// time.
//
//	                    15                        from 16 on
//	make a role         CREATEROLE                CREATEROLE
//	alter, rename,      CREATEROLE, for every     CREATEROLE and ADMIN OPTION, which
//	drop, comment       role                      it has for the roles that it made
//	act for a role      membership, which         membership with SET and INHERIT,
//	                    CREATEROLE may give       which ADMIN OPTION may give
//	make a schema       CREATE on the database and acting for its owner
//	rename a schema     the same
//	make a database     CREATEDB and acting for its owner
//	rename a database   the same
//	drop either         acting for its owner
//	end sessions        acting for their role
//	grant CONNECT       owning the database
//
// So from 16 on, for roles that another administrator has made (a superuser
// earlier, say), run GRANT role TO administrator WITH ADMIN OPTION once.
//
// # Names
//
// Identifiers are quoted by pgx.Identifier and nothing else, literals by the
// server from parameters, and passwords are sent as SCRAM verifiers only, so
// that no log of the server ever contains one. Every role that Poolkeeper
// makes carries a comment that says for whom; a role of the wanted name with
// another comment, or none, belongs to somebody else and is refused.
package onboard
