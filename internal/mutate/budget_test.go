package mutate_test

// budgetMutations break the decisions of package budget.
func budgetMutations() []mutation {
	return []mutation{
		{
			breaks: "a permission that is freed serves who waits", file: "pools/budget/slot.go",
			from: "\t\ta.held--\n\t\tb.reorder(a)\n\t}\n\tb.settle()\n", to: "\t\ta.held--\n\t\tb.reorder(a)\n\t}\n",
			test: "TestAmongEqualsWhoWaitsLongestComesFirst",
		},
		{
			breaks: "a freed slot is out of use", file: "pools/budget/slot.go",
			from: `b.slots = b.slots[:last]`, to: `_ = last`,
			test: "TestASlotIsFreedOnce",
		},
		{
			breaks: "a slot is freed once", file: "pools/budget/slot.go",
			from: `if s.freed {`, to: `if false {`,
			test: "TestASlotIsFreedOnce",
		},
		{
			breaks: "a slot that is closed is counted as leaving until it is gone", file: "pools/budget/slot.go",
			from: "\t\tb.closing--\n", to: ``,
			test: "TestTheBudgetFollowsItsRules",
		},
		{
			breaks: "a freed slot's pledge ends", file: "pools/budget/slot.go",
			from: "\tb.unpledge(s)\n", to: ``,
			test: "TestTheBudgetFollowsItsRules",
		},
		{
			breaks: "the ceiling is kept", file: "pools/budget/match.go",
			from: `if len(b.slots) < b.size {`, to: `if b.live() < b.size {`,
			test: "TestASlotOfAnotherKindIsClosedAndItsPermissionGivenWhenItIsGone",
		},
		{
			breaks: "a resting slot is left alone while a permission is free", file: "pools/budget/match.go",
			from: `s, _ := b.victim(a, now, spares)`, to: `s, _ := b.victim(a, now, takeable)`,
			test: "TestTheBudgetFollowsItsRules",
		},
		{
			breaks: "a guaranteed slot is never taken", file: "pools/budget/victim.go",
			from: `if s.account.held <= s.account.terms.Guaranteed {`, to: `if false {`,
			test: "TestAGuaranteedSlotIsNeverTaken",
		},
		{
			breaks: "a guaranteed slot is not given away when it comes back", file: "pools/budget/slot.go",
			from: ` || a.held <= a.terms.Guaranteed {`, to: ` {`,
			test: "TestASlotWithinTheGuaranteeIsNotGivenAwayWhenItComesBack",
		},
		{
			breaks: "who is below the guarantee comes first", file: "pools/budget/account.go",
			from: `a.terms.Urgent || a.held < a.terms.Guaranteed }`, to: `a.terms.Urgent }`,
			test: "TestWhoIsBelowTheirGuaranteeComesBeforeWhoHoldsLess",
		},
		{
			breaks: "the heap is kept in order", file: "pools/budget/account.go",
			from: `heap.Fix(&b.waiting, a.place)`, to: `_ = a`,
			test: "TestTheBudgetFollowsItsRules",
		},
		{
			breaks: "who wants nothing leaves the heap", file: "pools/budget/account.go",
			from: `heap.Remove(&b.waiting, a.place)`, to: `_ = a`,
			test: "TestAClosedAccountIsGrantedNothing",
		},
		{
			breaks: "among equals who waits longest is first", file: "pools/budget/account.go",
			from: `return a.since < other.since`, to: `return a.since > other.since`,
			test: "TestAmongEqualsWhoWaitsLongestComesFirst",
		},
		{
			breaks: "who holds fewest by weight comes first", file: "pools/budget/account.go",
			from: `a.held*other.terms.Weight, other.held*a.terms.Weight; mine`, to: `a.held, other.held; mine`,
			test: "TestWhoHoldsFewestByWeightComesFirst",
		},
		{
			breaks: "an account at its maximum wants nothing", file: "pools/budget/account.go",
			from: `min(a.callers-a.opening, a.terms.Max-a.held)`, to: `a.callers-a.opening`,
			test: "TestAnAccountAtItsMaximumStandsInNobodysWay",
		},
		{
			breaks: "a slot used a moment ago is spared", file: "pools/budget/victim.go",
			from: `a.since)+int64(b.cfg.StealAfter)`, to: `a.since)`,
			test: "TestASlotUsedAMomentAgoIsSparedUntilWhoWaitsHasWaitedAsLong",
		},
		{
			breaks: "who has waited as long may have it", file: "pools/budget/victim.go",
			from: `max(min(since, a.since)`, to: `max(since`,
			test: "TestASlotUsedAMomentAgoIsSparedUntilWhoWaitsHasWaitedAsLong",
		},
		{
			breaks: "a poorer account keeps what is warm", file: "pools/budget/victim.go",
			from: `(poorer || a.terms.Spare) && !a.urgent()`, to: `false && poorer`,
			test: "TestWhoHoldsMoreThanTheOtherWouldBeLeftWithMayOnlyHaveWhatHasRestedLong",
		},
		{
			breaks: "a light account is not kept cold by a heavy one's rest", file: "pools/budget/victim.go",
			from: `(owner.held-1)*a.terms.Weight < a.held*owner.terms.Weight`, to: `owner.held*a.terms.Weight < (a.held+1)*owner.terms.Weight`,
			test: "TestWhoHoldsNothingNeverWaitsForASlotToGoCold",
		},
		{
			breaks: "a large budget is searched to the end", file: "pools/budget/victim.go",
			from: `if i > 0 && i%looked == 0 && found.best(now, how).slot != nil {`, to: `if i >= looked {`,
			test: "TestALargeBudgetIsSearchedUntilSomethingIsFound",
		},
		{
			breaks: "the coldest is taken", file: "pools/budget/victim.go",
			from: `if c.slot == nil || rank < c.rank {`, to: `if c.slot == nil || rank > c.rank {`,
			test: "TestTheSlotThatHasRestedLongestIsTaken",
		},
		{
			breaks: "a spare goes first", file: "pools/budget/victim.go",
			from: "\tcase f.spare.slot != nil:\n", to: "\tcase false:\n",
			test: "TestASpareIsTakenBeforeAnybodysSlotEvenWhileAPermissionIsFree",
		},
		{
			breaks: "a spare of no use goes before anybody's slot", file: "pools/budget/victim.go",
			from: `f.any.colder(s, since, 0)`, to: `f.any.colder(s, since, since)`,
			test: "TestASpareOfNoUseIsClosedBeforeAnybodysSlot",
		},
		{
			breaks: "a slot that served the taker is preferred", file: "pools/budget/victim.go",
			from: `case f.known.slot != nil &&`, to: `case false &&`,
			test: "TestASlotThatServedTheTakerBeforeIsPreferred",
		},
		{
			breaks: "a slot remembers whom it served", file: "pools/budget/match.go",
			from: "\ts.remember(a.mark)\n", to: ``,
			test: "TestASlotThatServedTheTakerBeforeIsPreferred",
		},
		{
			breaks: "pressure is on before the search", file: "pools/budget/match.go",
			from: "\tb.press()\n\tb.shrink()\n", to: "\tb.shrink()\n",
			test: "TestARestDuringTheSearchIsNotLost",
		},
		{
			breaks: "too much held is pressure too", file: "pools/budget/match.go",
			from: `b.wants > 0 || b.exceed > 0 || b.over()`, to: `b.wants > 0 || b.over()`,
			test: "TestASmallerMaximumClosesWhatRestsAndWhatComesToRest",
		},
		{
			breaks: "what comes to rest is looked at", file: "pools/budget/slot.go",
			from: "\tif s.budget.pressed.Load() {\n\t\ts.budget.rematch()", to: "\tif false {\n\t\ts.budget.rematch()",
			test: "TestASmallerMaximumClosesWhatRestsAndWhatComesToRest",
		},
		{
			breaks: "the budget's queue is bounded", file: "pools/budget/account.go",
			from: `a.wanted > 0 && b.wants > b.queue &&`, to: `false &&`,
			test: "TestTheQueuesAreBoundedAndARefusalChangesNothing",
		},
		{
			breaks: "an account's own queue is bounded", file: "pools/budget/account.go",
			from: `case callers-a.opening-a.wanted > a.terms.Queue:`, to: `case false:`,
			test: "TestTheQueuesAreBoundedAndARefusalChangesNothing",
		},
		{
			breaks: "a refusal changes nothing", file: "pools/budget/account.go",
			from: "\ta.callers = before\n", to: "\t_ = before\n",
			test: "TestTheQueuesAreBoundedAndARefusalChangesNothing",
		},
		{
			breaks: "a free permission goes to the first, though a slot is being closed for it", file: "pools/budget/match.go",
			from: `if b.covered == 0 {`, to: `if first != nil {`,
			test: "TestWhoIsFirstTakesAFreePermissionBeforeWhoHasNoneUnderWay",
		},
		{
			breaks: "nothing is closed for who can have what is closed already", file: "pools/budget/match.go",
			from: `	if b.unclaimed() {`, to: `	if false {`,
			test: "TestASlotThatIsClosedForNobodyAnyMoreServesTheNext",
		},
		{
			breaks: "a smaller budget closes what rests", file: "pools/budget/match.go",
			from: `if (b.over() ||`, to: `if (false ||`,
			test: "TestASmallerBudgetClosesWhatRestsColdestFirstWhateverIsGuaranteed",
		},
		{
			breaks: "a smaller budget closes what comes back", file: "pools/budget/slot.go",
			from: `if b.over() || a.exceeds() {`, to: `if a.exceeds() {`,
			test: "TestASmallerBudgetClosesWhatComesBackThoughTheHoldersCallersWait",
		},
		{
			breaks: "a slot that comes back goes to who comes first", file: "pools/budget/slot.go",
			from: `first != a && a.mustYield(first, since)`, to: `false && a.mustYield(first, since)`,
			test: "TestASlotThatComesBackGoesToWhoComesFirst",
		},
		{
			breaks: "the holder's own caller is compared without the slot", file: "pools/budget/slot.go",
			from: `held: a.held - 1,`, to: `held: a.held,`,
			test: "TestOfTwoWithOneSlotBetweenThemWhoWaitsLongerHasIt",
		},
		{
			breaks: "who waits for a slot to have rested is served", file: "pools/budget/match.go",
			from: `b.retry = time.AfterFunc(wait, b.rematch)`, to: `b.retry = time.AfterFunc(1<<62, b.rematch)`,
			test: "TestWhoWaitsForASlotToRestLongEnoughIsServedByItself",
		},
		{
			breaks: "nothing ticks after Close", file: "pools/budget/match.go",
			from: `if at == 0 || b.closed {`, to: `if at == 0 {`,
			test: "TestNothingTicksAfterClose",
		},
		{
			breaks: "a slot that was taken is the holder's no more", file: "pools/budget/slot.go",
			from: `since > 0 && s.state.CompareAndSwap(since, stateBusy)`, to: `s.state.Swap(stateBusy) > 0 && since > 0`,
			test: "TestASlotChangesHandsWithItsConnection",
		},
		{
			breaks: "what would have to be closed serves for a while first", file: "pools/budget/victim.go",
			from: `return s.opened + int64(b.cfg.Tenure)`, to: `return 0`,
			test: "TestWhatWouldHaveToBeClosedServesForAWhileFirst",
		},
		{
			breaks: "spares that cannot be had are not tried at once", file: "pools/budget/match.go",
			from: `if now < a.paused {`, to: `if false {`,
			test: "TestSparesThatCannotBeHadAreNotTriedAgainBeforeThePauseIsOver",
		},
		{
			breaks: "what an account can take over may change", file: "pools/budget/account.go",
			from: "\ta.terms.Takes = to.Takes\n", to: ``,
			test: "TestWhatAnAccountCanTakeOverMayChange",
		},
		{
			breaks: "a slot that cannot be taken over is not", file: "pools/budget/account.go",
			from: `kind != "" && slices.Contains(a.terms.Takes, kind)`, to: `kind != ""`,
			test: "TestTheBudgetFollowsItsRules",
		},
		{
			breaks: "a granted slot is counted as being opened", file: "pools/budget/match.go",
			from: "\ta.opening++\n", to: ``,
			test: "TestAFreePermissionIsGivenAtOnceAndNoMoreThanThereAre",
		},
		{
			breaks: "who loses the last slot is remembered", file: "pools/budget/match.go",
			from: `b.ghosts.robbed(owner.terms.Name, b.cfg.Now())`, to: `_ = owner`,
			test: "TestWhoLosesTheLastSlotAndReturnsAtOnceIsCounted",
		},
		{
			breaks: "the budget and the holder never both have a slot", file: "pools/budget/victim.go",
			from: `return c.slot.state.CompareAndSwap(c.since, stateTaken) }`, to: `c.slot.state.Store(stateTaken); return true }`,
			test: "TestASlotThatItsHolderTakesDuringTheSearchIsNotTakenFromIt",
		},
	}
}
