// Command items is the classic application of many tenants, small: each has
// items of its own, and nothing in the handlers or in the SQL says whose.
//
//	GET  /items              the first 100 by id; ?after=ID&limit=N for more
//	GET  /items/:id          one
//	POST /items              {"id": 1, "name": "…", "description": "…"}
//
// The tenant is named as the configuration's router section says, by a header
// or by the host's name:
//
//	go run ./examples/items --config examples/items/config.yaml
//	curl -H 'X-Tenant-ID: acme' localhost:8090/items
//
// It reads the same file as poolkeeper does, and every setting can be replaced
// by the environment: POOLKEEPER_POOLS_MAX_CONNS=2. Beside that it is a Go
// program like any other: package main shows all that is needed.
package main
