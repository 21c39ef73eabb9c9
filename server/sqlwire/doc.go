// Package sqlwire is the SQL-over-HTTP protocol of the npm package @neondatabase/serverless, without the HTTP server around it.
//
// A request's life, in the order of the files:
//
//	request.go    Decode: body -> Request, strictly; json.go is the scanner under it, param.go turns values into parameters
//	options.go    ParseOptions: Neon-* headers -> Options, and back on an answer (Echo)
//	statement.go  what is refused by its first words: COPY, and transaction control inside a batch
//	execute.go    Execute: runs the request on one connection, whole answer into a buffer, limited row by row
//	stream.go     Stream: runs one query, a line of JSON for each row, in bounded memory
//	result.go     fields, rows, command and count of one result; value.go, array.go and types.go write the values
//	errors.go     the errors, and ErrorBody: what a client is told of them
//
// The package knows pgconn, on purpose below pgx: parameters go as text with no type, so PostgreSQL infers it, and values come back as
// text. It knows neither pools nor Gin: whoever calls it lends a connection, and destroys it when Outcome.Discard says so.
//
// # A batch is one transaction
//
// BEGIN and all queries of a batch travel in one round trip, COMMIT in a second one when every row has been read and fits the limit. The first
// error stops the batch, and it is rolled back. A client's own COMMIT, ROLLBACK, END, ABORT or PREPARE TRANSACTION inside a batch would end that
// transaction and leave the rest of the batch in autocommit without a word (Neon's own proxy lets that happen), so it is refused with 2D000
// before anything runs. Savepoints are fine, ROLLBACK TO SAVEPOINT too; BEGIN inside a batch is PostgreSQL's warning and no more.
//
// # COPY
//
// COPY FROM STDIN would wait for data that never comes, COPY TO STDOUT would lose its data silently: COPY is refused in every form,
// by the statement's first word. That is exact: PostgreSQL accepts COPY nowhere but at the start of a statement, and COPY to or from the client
// nowhere inside functions, procedures or DO. Should a COPY still be seen on the wire, it is refused by its command tag and the connection discarded.
package sqlwire
