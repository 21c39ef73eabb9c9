// Command leak shows why Poolkeeper exists. It starts a private PostgreSQL,
// sends the same load through three ways that people write and through
// Poolkeeper, and counts the rows that reached the wrong tenant and the requests
// that were refused although they did nothing wrong:
//
//	go run ./examples/leak
//
// The load is built so that no timing decides. Every round has two halves. In
// the first, as many tenants as there are workers ask at once; a gate holds all
// of them between the moment the tenant's schema was chosen and the query, as a
// call to a cache or to another service would. In the second, visitors without
// a tenant read the shared tables. The requests end as requests do: most well,
// some because the client left, some with an error, some with a panic, and some
// leave a SET of their own behind.
//
// Every schema and public have a table of the same name, and each row names its
// owner. So a row that arrives where it does not belong is seen, and counted.
package main
