// Package ways has the servers that figure 6 compares: Poolkeeper's
// middleware, the limit (no tenancy at all), and what people write themselves.
// Each answers the same request, GET /item?row=N with the tenant in a header,
// through Gin, with the tenant's name as the row has it.
package ways
