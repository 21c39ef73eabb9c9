// Package mutate proves that the tests guard the invariants: its test breaks
// the code in one known way at a time and expects another test to fail. It
// changes no file; the broken source is laid over the real one for the
// compiler (go test -overlay). It takes minutes: "make mutate".
package mutate
