// Package pgtest runs a private PostgreSQL server: for tests, and for
// `poolkeeper dev`.
//
// [Start] finds the server's programs (see [Find]), makes a data folder,
// starts postgres on 127.0.0.1 and waits until it accepts connections:
//
//	srv, err := pgtest.Start(ctx, pgtest.Options{Data: ".poolkeeper/pg", Cache: ".poolkeeper/bin"})
//	defer srv.Stop(ctx)
//	conn, err := pgx.Connect(ctx, srv.AdminDSN(""))
//
// The tests of a binary share one server, with a database for each test:
//
//	func TestMain(m *testing.M) { os.Exit(pgtest.Main(m, pgtest.Options{})) }
//
//	func TestX(t *testing.T) {
//		srv := pgtest.Shared()
//		conn, err := pgx.Connect(t.Context(), srv.AdminDSN(srv.Database(t)))
//	}
//
// # Who runs the server
//
// PostgreSQL refuses to run as root. Started by root, it runs as the user
// postgres, or nobody where that one does not exist, and the data folder is
// given to that user. Where that user could not enter a parent of the wanted
// folder (a checkout in a closed home, say), a folder with a stable name below the
// temporary directory takes its place, and [Server.Note] says so.
//
// # What is left behind
//
// Nothing runs on after [Server.Stop], nor after our own process dies: on
// Linux the kernel stops postgres with us, elsewhere a small shell waits for
// the end of a pipe that we hold. What survives even that (both killed by
// hand, a power cut) is found by the next Start on the same folder, through
// postmaster.pid. A lock file says whether a folder has a live owner: a server
// whose owner is alive is reported ([ErrInUse]) and never stopped.
//
// The package does not import testing, because the poolkeeper program uses it.
package pgtest
