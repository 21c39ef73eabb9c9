package mutate_test

import "slices"

// mutation is one way to break the code and the test that must notice.
type mutation struct {
	breaks   string // what no longer holds
	file     string // from the module's root
	from, to string // from must occur exactly once
	test     string // in the file's package, or in pkg when that is given
	pkg      string
}

// mutations is the list; each invariant is broken at least once.
func mutations() []mutation {
	return slices.Concat(
		sessionMutations(), poolMutations(), budgetMutations(), sharingMutations(), lifecycleMutations(), goodbyeMutations(),
		keyMutations(), secondLoginMutations(), readerLoginMutations(), routerMutations(), admissionMutations(),
		wallMutations(), adminKeyMutations(), readcacheMutations(), frontMutations(), identityMutations(), hungryMutations(), operatingMutations(),
		embedMutations(),
	)
}

func sessionMutations() []mutation {
	return []mutation{
		{
			breaks: "a new connection is checked", file: "pools/session.go",
			from: `if kind := s.answer.drift(p); kind != "" {`, to: `if kind := s.answer.drift(p); false && kind != "" {`,
			test: "TestAConnectionThatDoesNotShowItsPinIsNeverLent",
		},
		{
			breaks: "the reset's answer is checked", file: "pools/ready.go",
			from: `if kind := s.answer.drift(s.entry.plan); kind != "" {`, to: `if kind := s.answer.drift(s.entry.plan); false && kind != "" {`,
			test: "TestASessionWhosePinCannotBeRestoredIsDestroyed",
		},
		{
			breaks: "a refused reset costs the connection", file: "pools/ready.go",
			from: `s.answer.err = errors.Join(`, to: `_ = errors.Join(`,
			test: "TestAResetThatIsRefusedCostsTheConnection",
		},
		{
			breaks: "a used session is reset", file: "pools/session.go",
			from: `(s.free || s.sock.writes.Load() == s.sentAt)`, to: `(true || s.sock.writes.Load() == s.sentAt)`,
			test: "TestASearchPathThatWasChangedIsNeverLentAgain",
		},
		{
			breaks: "an unused session is not reset", file: "pools/session.go",
			from: `(s.free || s.sock.writes.Load() == s.sentAt)`, to: `s.free`,
			test: "TestAnUnusedConnectionIsNotReset",
		},
		{
			breaks: "a reported search path is compared", file: "pools/ready.go",
			from: `} else if s.free &&`, to: `} else if false && s.free &&`,
			test: "TestASearchPathThatWasChangedIsNeverLentAgain",
		},
		{
			breaks: "a cancel that came too early is sent again", file: "pools/cancel.go",
			from: `case <-time.After(pause):`, to: `case <-time.After(time.Hour):`,
			test: "TestACancelThatCameBeforeItsStatementIsSentAgain",
		},
		{
			breaks: "a cancelled session is reset where reports suffice", file: "pools/session.go",
			from: `if !s.cancelled.Load() && (s.free`, to: `if (s.free`,
			test: "TestASessionThatWasCancelledIsResetEvenWhereReportsSuffice",
		},
		{
			breaks: "the check asks for prepared statements", file: "pools/plan.go",
			from: `identity + row + prepared`, to: `identity + row + ", false"`,
			test: "TestADiscardBelowTheDriverIsNoticed", pkg: "./integration",
		},
		{
			breaks: "powers that a login gets later are seen", file: "pools/session.go",
			from: `s.resetAt-s.provedAt > int64(wallFor)`, to: `s.resetAt-s.provedAt > int64(wallFor)<<20`,
			test: "TestPowersThatALoginGetsLaterTakeItsWallAway",
		},
		{
			breaks: "two names of one server are noticed", file: "pools/wall.go",
			from: `twin && c.session.wall == nil`, to: `false && twin && c.session.wall == nil`,
			test: "TestOneServerUnderTwoNamesGivesNoWall", pkg: "./integration",
		},
		{
			breaks: "what runs on is ended", file: "pools/conn.go",
			from: `s.entry.keeper.workers.Go(s.reap)`, to: ``,
			test: "TestAStatementThatCatchesItsCancelDoesNotOutliveItsConnection", pkg: "./integration",
		},
		{
			breaks: "notifications are not kept", file: "pools/open.go",
			from: `if k.cfg.SQL == Untrusted {`, to: `if false {`,
			test: "TestNotificationsAreNotKeptForTheNextBorrower", pkg: "./integration",
		},
		{
			breaks: "a cancel that was not acknowledged leaves doubt", file: "pools/cancel.go",
			from: `err != nil || ctx.Err() != nil`, to: `err != nil`,
			test: "TestASessionWhoseCancelMayStillComeIsNotLentAgain",
		},
		{
			breaks: "a reset has one time limit for all who wait", file: "pools/ready.go",
			from: `left := k.cfg.CancelTimeout - time`, to: `left := k.cfg.CancelTimeout - 0*time`,
			test: "TestAResetThatIsNeverAnsweredDoesNotHoldTheTenantUpForGood",
		},
		{
			breaks: "a refused pin is the tenant's own failure", file: "pools/session.go",
			from: `breaker.failed(e.pinTarget())`, to: `breaker.failed(e.target)`,
			test: "TestAPinThatIsRefusedHoldsUpNobodyElseOfTheLogin",
		},
		{
			breaks: "a released connection is of no use", file: "pools/conn.go",
			from: `	case c.held.Load():`, to: `	case true:`,
			test: "TestAReleasedConnectionIsOfNoMoreUse",
		},
		{
			breaks: "DISCARD through the driver is seen", file: "pools/tracer.go",
			from: `s.dropped = true`, to: `s.dropped = false`,
			test: "TestAStatementThrownAwayBehindTheDriversBackCostsTheConnection",
		},
		{
			breaks: "an open transaction is rolled back", file: "pools/session.go",
			from: `case s.pg.TxStatus() != 'I' && !s.rollback():`, to: `case s.pg.TxStatus() != 'I':`,
			test: "TestAnOpenTransactionIsRolledBackAtRelease",
		},
		{
			breaks: "a pool that closes is no failure of its database", file: "pools/session.go",
			from: `if ctx.Err() != nil { //`, to: `if false { //`,
			test: "TestAPoolThatClosesWhileItConnectsIsNoFailureOfTheDatabase",
		},
		{
			breaks: "a discarded connection is closed", file: "pools/session.go",
			from: `case s.discard ||`, to: `case`,
			test: "TestADiscardedConnectionIsNotLentAgain",
		},
		{
			breaks: "a shared login's start-up carries nothing of the tenant's", file: "pools/plan.go",
			from: `if !p.ownLogin {`, to: `if false {`,
			test: "TestASharedLoginCarriesNothingOfTheTenantsInItsStartUp",
		},
		{
			breaks: "a shared login has no wall", file: "pools/plan.go",
			from: `case t.SharedLogin:`, to: `case false:`,
			test: "TestOnlyALoginOfItsOwnWithoutPowersIsAWall", pkg: "./integration",
		},
		{
			breaks: "a login with powers has no wall", file: "pools/plan.go",
			from: `case row[colAttributes] != "f":`, to: `case false:`,
			test: "TestOnlyALoginOfItsOwnWithoutPowersIsAWall", pkg: "./integration",
		},
		{
			breaks: "the owner of a shared database has no wall", file: "pools/plan.go",
			from: `case row[colOwner] != "f" && !p.ownDatabase:`, to: `case false:`,
			test: "TestTheOwnerOfASharedDatabaseIsNotBehindAWall", pkg: "./integration",
		},
		{
			breaks: "a login with memberships has no wall", file: "pools/plan.go",
			from: `case row[colMember] != "f":`, to: `case false:`,
			test: "TestOnlyALoginOfItsOwnWithoutPowersIsAWall", pkg: "./integration",
		},
	}
}

func poolMutations() []mutation {
	return []mutation{
		{
			breaks: "concurrent callers share one creation", file: "pools/flight.go",
			from: `if f == nil {`, to: `if true {`,
			test: "TestFiveHundredFirstRequestsOpenOnePool",
		},
		{
			breaks: "a creation has a time limit", file: "pools/flight.go",
			from: `context.WithTimeoutCause(k.lifetime, k.cfg.OpenTimeout,`, to: `context.WithTimeoutCause(k.lifetime, 100*k.cfg.OpenTimeout,`,
			test: "TestACreationHasATimeLimitOfItsOwn",
		},
		{
			breaks: "a new pool is born pinned", file: "pools/flight.go",
			from: `e.pins.Store(int64(pins))`, to: `e.pins.Store(int64(0 * pins))`,
			test: "TestFiveHundredFirstRequestsOpenOnePool",
		},
		{
			breaks: "a change during a creation wins", file: "pools/retire.go",
			from: `f.stale = true`, to: `f.stale = false`,
			test: "TestAChangeDuringACreationWins",
		},
		{
			breaks: "a leased pool is not closed", file: "pools/retire.go",
			from: `if e.pins.Load() == retiredBit {`, to: `if true {`,
			test: "TestARetiredPoolIsClosedByItsLastLeaseNotUnderIt",
		},
		{
			breaks: "the last release closes a retired pool", file: "pools/entry.go",
			from: `k.closeRetired(e)`, to: `_ = e`,
			test: "TestARetiredPoolIsClosedByItsLastLeaseNotUnderIt",
		},
		{
			breaks: "a drain has a deadline", file: "pools/retire.go",
			from: `if reason != ReasonShutdown {`, to: `if false && reason != ReasonShutdown {`,
			test: "TestTheDrainDeadlineCutsWhoeverHoldsOn",
		},
		{
			breaks: "the cap is hard", file: "pools/room.go",
			from: `k.order.size+k.reserved >= k.cfg.MaxPools`, to: `k.order.size+k.reserved > k.cfg.MaxPools`,
			test: "TestTheCapIsNeverExceededAndNobodyIsCut",
		},
		{
			breaks: "the victim is the least recently used", file: "pools/order.go",
			from: `case used > e.folded:`, to: `case false:`,
			test: "TestTheCapEvictsTheLeastRecentlyUsedPoolWithoutLeases",
		},
		{
			breaks: "a release serves who waits for room", file: "pools/entry.go",
			from: `if k.wanting.Load() > 0 {`, to: `if false {`,
			test: "TestANewcomerWaitsWhileEveryPoolIsLeasedThenIsRefused",
		},
		{
			breaks: "idle pools are closed", file: "pools/janitor.go",
			from: `left > 0 {`, to: `left > -int64(time.Hour) {`,
			test: "TestIdleTimeClosesThePoolAndNothingTicksMeanwhile",
		},
		{
			breaks: "surplus idle connections are closed", file: "pools/janitor.go",
			from: `e.shelf.older(now - int64(e.idleAfter))`, to: `e.shelf.older(0)`,
			test: "TestSurplusConnectionsOfABusyTenantAreClosed",
		},
		{
			breaks: "failures are remembered", file: "pools/breaker.go",
			from: "	b.failures.Add(key, f)\n", to: "	b.failures.Add(target{}, f)\n",
			test: "TestADeadDatabaseIsNotDialedAgainJustBecauseItsPoolIsNew",
		},
		{
			breaks: "the queue is first come, first served", file: "pools/callers.go",
			from: "first := h.callers.Front()\n	if first == nil {", to: "first := h.callers.Back()\n	if first == nil {",
			test: "TestCallersOfOneTenantAreServedInTheirOrder",
		},
		{
			breaks: "the queue is bounded", file: "pools/budget/account.go",
			from: `case callers-a.opening-a.wanted > a.terms.Queue:`, to: `case callers-a.opening-a.wanted > a.terms.Queue+1:`,
			test: "TestATenantsQueueIsBoundedInLengthAndTime", pkg: "./pools",
		},
		{
			breaks: "who leaves the queue gives the place back", file: "pools/callers.go",
			from: `_ = e.askLocked() // fewer than before`, to: `// fewer than before`,
			test: "TestAWaiterThatLeavesHoldsUpNobody",
		},
		{
			breaks: "Close cuts who holds on", file: "pools/close.go",
			from: `cuts.Go(e.cutAll)`, to: `_ = e`,
			test: "TestCloseWaitsForLeasesUntilItsDeadlineThenCutsThem",
		},
		{
			breaks: "a closed keeper gives no lease", file: "pools/flight.go",
			from: `if e != nil && (f.stale || k.stopping.Load()) {`, to: `if e != nil && f.stale {`,
			test: "TestAPoolThatIsBornAfterCloseBeganIsNotLent",
		},
	}
}
