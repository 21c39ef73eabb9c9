package mutate_test

import "slices"

// sharingMutations break what holds where tenants share a server.
func sharingMutations() []mutation {
	return slices.Concat(slotMutations(), orderMutations(), handoffMutations(), breakerMutations())
}

// slotMutations lose a slot, or use one twice.
func slotMutations() []mutation {
	return []mutation{
		{
			breaks: "a cancel request of a start-up that failed takes no slot", file: "pools/opening.go",
			from: "	if ctx.Value(openingKey{}) != o {\n", to: "	if _, statement := ctx.Value(openingKey{}).(*opening); !statement && o.last.session.Load() != nil {\n",
			test: "TestAStartUpThatIsCutOffCostsNoSlot",
		},
		{
			breaks: "a pin that fails gives its slot back", file: "pools/opening.go",
			from: "		e.missed(err)\n		o.permit.drop()\n", to: "		e.missed(err)\n		if !errors.Is(err, ErrPin) {\n			o.permit.drop()\n		}\n",
			test: "TestAPinThatFailsAfterAHandoffCostsNoSlot",
		},
		{
			breaks: "a name that cannot be looked up gives its slot back", file: "pools/opening.go",
			from: "		e.missed(err)\n		o.permit.drop()\n", to: "		e.missed(err)\n		if o.last != nil {\n			o.permit.drop()\n		}\n",
			test: "TestANameThatCannotBeLookedUpCostsNoSlot",
		},
		{
			breaks: "a dial that is cancelled gives its slot back", file: "pools/opening.go",
			from: "		e.missed(err)\n		o.permit.drop()\n", to: "		e.missed(err)\n		if !errors.Is(err, ErrDrained) {\n			o.permit.drop()\n		}\n",
			test: "TestADialThatIsCutOffAtTheDrainDeadlineCostsNoSlot",
		},
		{
			breaks: "a connection that changed hands gives its slot back", file: "pools/opening.go",
			from: "	e.arrived(s)\n	o.permit.drop()\n", to: "	e.arrived(s)\n	if donor == nil {\n		o.permit.drop()\n	}\n",
			test: "TestAConnectionThatChangedHandsIsTheNewTenants",
		},
		{
			breaks: "a connection that changes hands is covered all the time", file: "pools/opening.go",
			from: "	case donor.sock.permit.tryHold():\n", to: "	case donor.sock.permit.refs.Load() > 0:\n",
			test: "TestAConnectionThatChangedHandsIsTheNewTenants",
		},
		{
			breaks: "a second release does nothing", file: "pools/conn.go",
			from: "	if !c.held.CompareAndSwap(true, false) {\n		return\n	}\n	s := c.session\n", to: "	c.held.Store(false)\n	s := c.session\n",
			test: "TestAConnectionThatIsReleasedTwiceIsLentOnce",
		},
		{
			breaks: "a slot is free when the server's side is gone", file: "pools/socket.go",
			from: "	defer s.permit.drop()\n", to: "	s.permit.drop()\n",
			test: "TestASlotIsFreeOnlyWhenTheServersSideOfTheSocketIsGone",
		},
		{
			breaks: "a cancel request takes no slot", file: "pools/opening.go",
			from: "	if ctx.Value(openingKey{}) != o {\n", to: "	if false {\n",
			test: "TestAFullBudgetNeverKeepsACancelFromGoingOut",
		},
		{
			breaks: "a second dial of a start-up needs the slot", file: "pools/opening.go",
			from: "	if ctx.Value(openingKey{}) != o {\n", to: "	if ctx.Value(openingKey{}) != o || o.last != nil {\n",
			test: "TestTheServerNeverSeesMoreSocketsThanTheBudget",
		},
		{
			breaks: "one slot is one socket", file: "pools/opening.go",
			from: `	if o.last != nil { // one permit`, to: `	if false { // one permit`,
			test: "TestTheServerNeverSeesMoreSocketsThanTheBudget",
		},
		{
			breaks: "what the model calls a lost slot is found", file: "pools/opening.go",
			from: "		e.missed(err)\n		o.permit.drop()\n", to: "		e.missed(err)\n",
			test: "TestTheKeeperAgreesWithItsModelUnderRandomActions",
		},
	}
}

// orderMutations serve the wrong one, or nobody.
func orderMutations() []mutation {
	return []mutation{
		{
			breaks: "a connection that died before its first use is replaced", file: "pools/lease.go",
			from: `if fresh && !rested ||`, to: `if _ = rested; fresh ||`,
			test: "TestAConnectionThatDiedBeforeItsFirstUseIsReplaced",
		},
		{
			breaks: "what is guaranteed is not taken", file: "pools/budget/victim.go",
			from: `if s.account.held <= s.account.terms.Guaranteed {`, to: `if false {`,
			test: "TestWhatIsGuaranteedIsNeverTaken", pkg: "./pools",
		},
		{
			breaks: "who holds fewest goes first", file: "pools/budget/account.go",
			from: `return mine < theirs`, to: `return mine > theirs`,
			test: "TestWhoHoldsFewestGoesFirstThenWhoHasWaitedLongest", pkg: "./pools",
		},
		{
			breaks: "the cluster's queue is bounded", file: "pools/budget/account.go",
			from: `b.wants > b.queue &&`, to: `b.wants > b.queue+1 &&`,
			test: "TestTheClustersQueueIsBoundedAndSaysSo", pkg: "./pools",
		},
		{
			breaks: "the limit that was waited for is named", file: "pools/callers.go",
			from: `if e.account.AtMax() {`, to: `if !e.account.AtMax() {`,
			test: "TestTheClustersBudgetIsNamedWhenItWasTheLimit",
		},
		{
			breaks: "who gets a connection soon is not refused", file: "pools/callers.go",
			from: `if e.comes(w) {`, to: `if false && e.comes(w) {`,
			test: "TestWhoseConnectionIsBeingOpenedIsNotRefusedForTheQueuesTime",
		},
		{
			breaks: "a smaller budget cuts nothing", file: "pools/budget/match.go",
			from: `if (b.over() || c.slot.account.exceeds()) && c.take() {`, to: `if c.take() {`,
			test: "TestIdleConnectionsBeyondASmallerMaximumAreClosed", pkg: "./pools",
		},
		{
			breaks: "the session bears its tenant's name", file: "pools/plan.go",
			from: `	p.settings = append(p.settings, setting{name: "application_name"`, to: `	_ = append(p.settings, setting{name: "application_name"`,
			test: "TestSessionsAreCalledByAnOpaqueNameOfTheTenantThatHasThemNow",
		},
		{
			breaks: "a change of limits keeps the pool", file: "pools/limits.go",
			from: `if err != nil || !k.relimit(t) {`, to: `if err != nil || !k.relimit(t) || true {`,
			test: "TestAChangeOfLimitsAloneKeepsThePool",
		},
		{
			breaks: "no waiter is passed over", file: "pools/callers.go",
			from: "first := h.callers.Front()\n	if first == nil {", to: "first := h.callers.Back()\n	if first == nil {",
			test: "TestTheKeeperAgreesWithItsModelUnderRandomActions",
		},
		{
			breaks: "a stale version is not published", file: "pools/retire.go",
			from: `f.stale = true`, to: `f.stale = false`,
			test: "TestTheKeeperAgreesWithItsModelUnderRandomActions",
		},
		{
			breaks: "the guarantee holds in the model too", file: "pools/budget/victim.go",
			from: `if s.account.held <= s.account.terms.Guaranteed {`, to: `if false {`,
			test: "TestTheKeeperAgreesWithItsModelUnderRandomActions", pkg: "./pools",
		},
	}
}

// handoffMutations hand over what must not be.
func handoffMutations() []mutation {
	return []mutation{
		{
			breaks: "nothing of the earlier tenant stays", file: "pools/session.go",
			from: "		s.ask(\"DISCARD ALL\")\n", to: ``,
			test: "TestAConnectionThatChangedHandsIsTheNewTenants",
		},
		{
			breaks: "what changed hands is checked", file: "pools/session.go",
			from: `if kind := s.answer.drift(p); kind != "" {`, to: `if kind := s.answer.drift(p); false && kind != "" {`,
			test: "TestASessionThatDoesNotShowTheNewTenantIsDialledInstead",
		},
		{
			breaks: "a reset is read before the connection changes hands", file: "pools/opening.go",
			from: "	if donor.pending {\n", to: "	if false {\n",
			test: "TestAConnectionThatChangedHandsIsTheNewTenants",
		},
		{
			breaks: "a connection stays in its database", file: "pools/spare.go",
			from: "kind := \"login|\" + e.target.database\n", to: "kind := \"login|\"\n",
			test: "TestAConnectionOfAnotherLoginOrDatabaseIsClosedNotHandedOver",
		},
		{
			breaks: "a connection stays with its login", file: "pools/spare.go",
			from: `if e.target.login != e.cluster.target.ConnConfig.User {`, to: `if false {`,
			test: "TestAConnectionOfAnotherLoginOrDatabaseIsClosedNotHandedOver",
		},
		{
			breaks: "a socket is its new tenant's", file: "pools/socket.go",
			from: "	s.entry.Store(to)\n", to: "	s.entry.Store(from)\n",
			test: "TestAConnectionThatChangedHandsIsTheNewTenants",
		},
		{
			breaks: "handoff can be turned off", file: "pools/spare.go",
			from: `if !k.cfg.Handoff ||`, to: `if`,
			test: "TestHandoffCanBeTurnedOff",
		},
		{
			breaks: "the session that is lent bears its tenant's name", file: "pools/plan.go",
			from: `p.settings = append(p.settings, setting{name: "application_name"`, to: `_ = append(p.settings, setting{name: "application_name"`,
			test: "TestTheKeeperAgreesWithItsModelUnderRandomActions",
		},
	}
}

// breakerMutations try what must not be tried.
func breakerMutations() []mutation {
	return []mutation{
		{
			breaks: "half open, one try is let through", file: "pools/breaker.go",
			from: "		f.probing = time.Now()\n", to: ``,
			test: "TestHalfOpenLetsOneTryThroughWhileOthersAreRefusedAtOnce",
		},
		{
			breaks: "a try that ended lets others try", file: "pools/breaker.go",
			from: "		f.probing = time.Time{}\n	}\n", to: "		_ = f\n	}\n",
			test: "TestATryWhosePoolIsEvictedDoesNotBlockTheNext",
		},
		{
			breaks: "a full server is not dialled", file: "pools/memory.go",
			from: "		k.breaker.pause(e.fullTarget(), serverPause)\n", to: ``,
			test: "TestAServerWithoutAConnectionLeftIsNotDialledForAMomentAndIsNotDown",
		},
		{
			breaks: "spares make no tries", file: "pools/memory.go",
			from: `b.remembers(e.target):`, to: `false:`,
			test: "TestASpareDoesNotMakeTheTryThatATenantWaitsFor",
		},
		{
			breaks: "a spare's failure makes it wait", file: "pools/callers.go",
			from: `	if e.spare() { // nobody waits`, to: `	if false { // nobody waits`,
			test: "TestSparesAreNoPingLoopAtADeadServer",
		},
		{
			breaks: "a spare that is refused keeps its number", file: "pools/spare.go",
			from: `	if e.spare() { // its account`, to: `	if false { // its account`,
			test: "TestSparesAreNoPingLoopAtADeadServer",
		},
		{
			breaks: "a spare becomes who may connect", file: "pools/spare.go",
			from: `if c[colConnect] != "t" ||`, to: `if`,
			test: "TestASpareThatCannotBecomeTheTenantsIsDialledInstead",
		},
		{
			breaks: "a spare becomes who cannot leave again", file: "pools/spare.go",
			from: `c[colExecute] != "f" ||`, to: ``,
			test: "TestASpareThatCannotBecomeTheTenantsIsDialledInstead",
		},
		{
			breaks: "a spare is for whom the server has let in", file: "pools/spare.go",
			from: "	return proven == true\n", to: "	return proven != false\n",
			test: "TestALoginThatWasNeverLetInGetsNoSpare",
		},
	}
}
