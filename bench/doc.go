// Program bench measures what Poolkeeper promises, each figure as a ratio to
// a baseline of the same run, on a private PostgreSQL that it starts itself:
//
//	go run ./bench                              # everything, into bench/results
//	go run ./bench -quick                       # a minute, a line for each figure
//	go run ./bench -figures 6 -workloads uniform -ways untrusted -cpuprofile cpu.prof
//
// What the figures mean is in docs/benchmarks.md. Every answer is checked for
// whose it is: after a wrong row, or an error where none may be, the program
// says so and exits with 1.
//
// A profile has the labels figure and way: "go tool pprof -tagfocus
// way=Poolkeeper" shows what Poolkeeper's server did, without the clients.
package main
