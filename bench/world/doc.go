// Package world is what the figures are measured on: a private PostgreSQL
// with a thousand tenants, keepers on it, and the ways to reach a tenant's
// rows that Poolkeeper is compared with.
//
// Every tenant has a schema with a table items, whose rows carry the tenant's
// name; public has a table of the same name with other content. So an answer
// tells whose it is, and whoever asks checks it.
//
// The logins of the tenants are trusted on 127.0.0.1 without TLS, and asked
// for a password (SCRAM) over TLS: one server has the cheapest connection and
// the dearest.
package world
