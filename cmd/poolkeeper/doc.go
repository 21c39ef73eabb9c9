// Command poolkeeper serves PostgreSQL tenants over HTTP, each from a small
// connection pool of its own.
//
//	poolkeeper dev            a private PostgreSQL, four tenants, examples to copy
//	poolkeeper serve          the tenants of a configuration file
//	poolkeeper config check   everything that is wrong with the configuration
//	poolkeeper config show    the configuration in force, secrets hidden
//	poolkeeper version
//
// The first SIGINT, SIGTERM or SIGHUP stops it gracefully, a second SIGINT or
// SIGTERM at once. Exit codes: 0 done, 1 failed, 2 a command line that makes no
// sense, 130 stopped by a second signal.
//
// For readers of the code: App is the program without the process, one file
// per command builds its part of it, wiring.go is the only place where the
// packages meet and where they are stopped.
package main
