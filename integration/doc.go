// Package integration holds the tests that need a real PostgreSQL: they start
// one themselves and prove, end to end, what the other packages promise. The
// package imports anything and is imported by nothing.
package integration
