// Package mutate proves that the tests guard the invariants: its test breaks
// the code in one known way at a time and expects another test to fail. It
// changes no file; the broken source is laid over the real one for the
// compiler (go test -overlay). It takes minutes: "make mutate". One break alone:
//
//	go test -tags mutate ./internal/mutate -run 'TestEachBreakIsNoticed/the_cap_is_hard'
//
// That each break still finds its text and its test is seen in every run of
// the tests.
package mutate
