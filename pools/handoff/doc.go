// Package handoff lets an authenticated connection to PostgreSQL change hands:
// from one pool's pgx.Conn to a new pgx.Conn of another pool, without a word
// to the server. A new connection costs a dial, TLS, SCRAM and a process of
// the server; one that changes hands costs none of them.
//
//	h, err := handoff.Take(ctx, conn)   // conn: a *pgx.Conn that its pool gave up
//	…
//	cfg.BeforeConnect = func(_ context.Context, c *pgx.ConnConfig) error {
//		h.Replay(c, dial)           // this connect yields the taken connection
//		return nil
//	}
//	…
//	_ = h.Close()                       // closes it only if nobody took it
//
// pgx has no call for this, but it has all the parts: Take hijacks the
// connection, and Replay has the receiver dial a net.Conn that plays the
// server's part of the start-up. It swallows the start-up message, answers
// what the server once answered (authenticated, its parameters as they are
// now, the cancel key, ready), and from then on passes everything through.
//
// # What the caller sees to
//
// The connection is handed over as it is, the session with it. Only give it
// to a receiver that connects to the same server and database with the same
// login (another database is refused here; the rest cannot be seen from
// here), and have the receiver make the session its own before anybody uses
// it:
//
//   - The receiver's start-up parameters (RuntimeParams) were not sent to the
//     server; RESET ALL returns to those of whoever opened the connection.
//   - Prepared statements are still on the server, and the new pgx.Conn does
//     not know them: preparing one of the same name fails with 42P05 until
//     DEALLOCATE ALL or DISCARD ALL.
//   - Settings, role, temporary tables, advisory locks, LISTEN and open
//     cursors stay. What a LISTEN brings before the receiver's UNLISTEN is
//     answered goes to the receiver.
//
// TLS, the way of authentication and target_session_attrs were checked when
// the connection was opened, under the configuration of that time.
//
// # What goes wrong without care
//
//   - A background reader of the old connection may hold the socket's next
//     bytes: pgx starts one when a write takes long. Take calls SyncConn.
//   - The new connection may start such a reader too, and before its start-up
//     message is written. Its Read waits for the start-up message, mindful of
//     deadlines and Close, and does not reach for the socket.
//   - pgx refuses to be told "authenticated" out of hand where the
//     configuration asks for TLS, a way of authentication, channel binding or
//     a client certificate. Replay clears these.
//   - A configuration that validates servers, lists several or connects twice
//     (sslmode=prefer) dials again when pgx does not like what it got; only
//     one connect attempt is left by Replay, and a dial before the start-up
//     is over is refused: it would become a new connection that nobody counts.
//   - pgx sends a cancel request the way the connection was made. The new one
//     was made without TLS as far as pgx knows; so the dial of a cancel
//     request makes the TLS here, or the cancel key would travel in clear.
//   - The server's name for a Unix socket need not be one that can be dialed;
//     pgx dials the configured host instead. Replay sets it.
//   - A connection handed on often would be wrapped as often. Take unwraps.
package handoff
