package pools_test

import (
	"fmt"
	"strings"

	"pgregory.net/rapid"
)

// The model knows who holds which connection, who waits, and how many there
// may be. After each of a random sequence of actions, when all has come to
// rest, what the keeper and the server say must agree with it.

const (
	modelTenants = 7
	modelClients = 9
	modelMax     = 2 // connections of a tenant, at first
)

// action is one step; what its numbers mean depends on its kind.
type action struct {
	Kind   string
	Client int
	Tenant int
	N      int
}

// GoString keeps a failure readable.
func (a action) GoString() string {
	if a.Kind == "nothing" {
		return "-"
	}
	return fmt.Sprintf("%s(%d, %d, %d)", a.Kind, a.Client, a.Tenant, a.N)
}

// modelKinds are drawn from, each as often as it is there.
var modelKinds = strings.Fields("nothing " + strings.Repeat("acquire ", 12) + strings.Repeat("release ", 8) +
	strings.Repeat("statement ", 5) + strings.Repeat("sleep ", 6) + strings.Repeat("cancel ", 3) +
	"hang hang vandal vandal cluster cluster evict change relimit limit suspend stop slow misspin lie hold")

// rough kinds break something, so that callers may fail or lose their place.
var roughKinds = map[string]bool{"vandal": true, "stop": true, "misspin": true, "lie": true, "hang": true}

// below draws evenly; the library's own ranges prefer small numbers.
func below(n int) *rapid.Generator[int] {
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	return rapid.SampledFrom(all)
}

func drawActions(rt *rapid.T) []action {
	client, tenant, n, kind := below(modelClients), below(modelTenants), below(8), rapid.SampledFrom(modelKinds)
	one := rapid.Custom(func(rt *rapid.T) action {
		return action{kind.Draw(rt, "kind"), client.Draw(rt, "client"), tenant.Draw(rt, "tenant"), n.Draw(rt, "n")}
	})
	return rapid.SliceOfN(one, 100, 100).Draw(rt, "actions")
}

// settings of one run.
type settings struct {
	Budget, Spares, Version int
	Handoff, Rough, Gate    bool
}

func drawSettings(rt *rapid.T) settings {
	return settings{
		Budget: 1 + below(6).Draw(rt, "budget"), Spares: below(3).Draw(rt, "spares"),
		Version: rapid.SampledFrom([]int{15, 18}).Draw(rt, "version"),
		Handoff: rapid.SampledFrom([]bool{true, true, false}).Draw(rt, "handoff"),
		Rough:   rapid.Bool().Draw(rt, "rough"), Gate: rapid.Bool().Draw(rt, "gate"),
	}
}
