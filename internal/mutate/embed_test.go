package mutate_test

// embedMutations break what programs rely on that have the pools in their own
// handlers: what they forget, register and ask for.
func embedMutations() []mutation {
	return []mutation{
		{
			breaks: "what a lease leaves behind is cut", file: "pools/leftover.go",
			from: `e.keeper.workers.Go(s.cutOff)`, to: ``,
			test: "TestWhatIsHeldAtTheEndOfALeaseIsCut",
		},
		{
			breaks: "what another lease holds is left alone", file: "pools/leftover.go",
			from: ` || c != &l.first && c.beside != l`, to: ``,
			test: "TestWhatIsHeldAtTheEndOfALeaseIsCut",
		},
		{
			breaks: "nothing is acquired on a lease that has ended", file: "pools/lease.go",
			from: `if l.ended.Load() {`, to: `if false {`,
			test: "TestAConnectionThatComesAfterTheEndOfItsLeaseGoesBack",
		},
		{
			breaks: "a broken connection that is held does not hold up its pool's end", file: "pools/entry.go",
			from: `			holder.seize()`, to: `			_ = holder`,
			test: "TestAPoolIsClosedAtItsDeadlineThoughABrokenConnectionIsHeld",
		},
		{
			breaks: "a released connection is discarded by nobody", file: "pools/conn.go",
			from: `if c.held.Load() { // else`, to: `if true { // else`,
			test: "TestWhoHasReleasedAConnectionCannotDiscardIt",
		},
		{
			breaks: "the end of a context is told beside its cause", file: "pools/errors.go",
			from: `if errors.Is(cause, err) {`, to: `if true {`,
			test: "TestTheEndOfAContextIsToldBesideItsCause",
		},
		{
			breaks: "the cluster's own login makes no wall", file: "pools/open.go",
			from: `shared.SharedLogin = true`, to: `shared.SharedLogin = false`,
			test: "TestATenantOnItsClustersOwnLoginIsNeverWalled",
		},
		{
			breaks: "descriptions are kept where a connection string asks for it", file: "pools/open.go",
			from: `= 0, size`, to: `= size, 0`,
			test: "TestTheConnectionStringsExecModeHasTheCacheThatItNeeds",
		},
		{
			breaks: "a handler's visit ends its lease", file: "router/router.go",
			from: `(*pools.Lease).End,`, to: `(*pools.Lease).Release,`,
			test: "TestWhatAHandlerLeavesOpenIsTheTenantsAgain", pkg: "./integration",
		},
		{
			breaks: "each connection is shown to the program", file: "pools/session.go",
			from: `err = e.introduce(ctx, s, c)`, to: ``,
			test: "TestEveryConnectionOfATenantKnowsTheProgramsTypes",
		},
		{
			breaks: "what the program did to a session is undone", file: "pools/introduce.go",
			from: `!s.settle() || `, to: ``,
			test: "TestWhatTheProgramDoesToANewSessionIsUndone",
		},
	}
}
