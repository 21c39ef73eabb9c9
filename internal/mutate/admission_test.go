package mutate_test

import "slices"

// admissionMutations let in who should wait, or keep out who should not.
func admissionMutations() []mutation {
	return slices.Concat(bucketMutations(), sharedMutations())
}

// bucketMutations break a tenant's limits in one process.
func bucketMutations() []mutation {
	return []mutation{
		{
			breaks: "the sixth of five a second is refused", file: "router/admission/state.go",
			from: `if !s.limiter.AllowN(now, 1) {`, to: `if false {`,
			test: "TestFiveASecondLetsFiveThroughAndRefusesTheSixth",
		},
		{
			breaks: "of many at once the burst passes", file: "router/admission/config.go",
			from: `t.rate, t.burst = min(l.Rate, maxRate), 0`, to: `t.rate = min(l.Rate, maxRate)`,
			test: "TestTheRecordsLimitsGoBeforeTheSections",
		},
		{
			breaks: "a change of the record gives no fresh burst", file: "router/admission/state.go",
			from: `s.limiter.SetBurstAt(now, t.burst)`, to: `s.limiter = rate.NewLimiter(rate.Limit(t.rate), t.burst)`,
			test: "TestAChangeOfTheRecordHoldsAtOnceAndGivesNoFreshBurst",
		},
		{
			breaks: "a change of the record holds at once", file: "router/admission/state.go",
			from: `if s.limiter != nil && t.rate > 0 {`, to: `if false {`,
			test: "TestAChangeOfTheRecordHoldsAtOnceAndGivesNoFreshBurst",
		},
		{
			breaks: "no more than may are under way", file: "router/admission/state.go",
			from: `s.inFlight >= t.inFlight`, to: `s.inFlight > t.inFlight`,
			test: "TestAsManyAsMayAreUnderWayAtOnce",
		},
		{
			breaks: "a second release frees nothing", file: "router/admission/admission.go",
			from: `p.released.CompareAndSwap(false, true)`, to: `true`,
			test: "TestAsManyAsMayAreUnderWayAtOnce",
		},
		{
			breaks: "who is under way is remembered", file: "router/admission/state.go",
			from: `return s.inFlight == 0 && (`, to: `return (`,
			test: "TestWhoIsNotAtRestIsRemembered",
		},
		{
			breaks: "whose bucket is not full is remembered", file: "router/admission/state.go",
			from: `(s.limiter == nil || `, to: `(true || `,
			test: "TestWhoIsNotAtRestIsRemembered",
		},
		{
			breaks: "sweeping goes on while anybody is there", file: "router/admission/control.go",
			from: `if left > 0 {`, to: `if false {`,
			test: "TestWhoIsNotAtRestIsRemembered",
		},
		{
			breaks: "those who have gone leave no room behind", file: "router/admission/shard.go",
			from: `if len(s.states) <= s.most/4 {`, to: `if false {`,
			test: "TestTenantsThatAskedLongAgoCostNothing",
		},
		{
			breaks: "a reader shares the tenant's limit", file: "router/admission/control.go",
			from: `t.ID.Tenant(), c.cfg`, to: `t.ID, c.cfg`,
			test: "TestAReaderSharesTheTenantsLimit",
		},
	}
}

// sharedMutations break what holds between several servers.
func sharedMutations() []mutation {
	return []mutation{
		{
			breaks: "what the shared bucket refuses costs nothing here", file: "router/admission/state.go",
			from: `s.limiter.AllowN(now, -1)`, to: `_ = now`,
			test: "TestARequestThatTheSharedBucketRefusesCostsNothingHere",
		},
		{
			breaks: "the shared bucket is not asked for what it cannot have", file: "router/admission/state.go",
			from: `s.until = now.Add(wait)`, to: `_ = wait`,
			test: "TestWhatTheSharedBucketRefusesIsRefusedUntilItHasATokenAgain",
		},
		{
			breaks: "without the store it is refused where that is asked for", file: "router/admission/control.go",
			from: `case c.cfg.WhenRedisFails == FailOpen:`, to: `case true:`,
			test: "TestAStoreThatFailsRefusesWhenItIsToldToAndCostsNoToken",
		},
		{
			breaks: "the own limit holds without the store", file: "router/admission/control.go",
			from: `		return p, nil
	}
	p.shard.undo(p.state, p.quota.terms, 0)`, to: `		p.shard.undo(p.state, p.quota.terms, 0)
		return &c.free, nil
	}
	p.shard.undo(p.state, p.quota.terms, 0)`,
			test: "TestTheOwnLimitHoldsWhateverTheSharedOneSays",
		},
		{
			breaks: "a store that failed rests", file: "router/admission/store/breaker.go",
			from: `if now.Before(b.until) {`, to: `if false {`,
			test: "TestAStoreThatFailedIsTriedOnceInAWhile",
		},
		{
			breaks: "one tries for all", file: "router/admission/store/breaker.go",
			from: "	b.until = now.Add(Rest)\n	return true\n", to: "	return true\n",
			test: "TestOfManyAtOnceOneTriesAfterTheRest",
		},
		{
			breaks: "a question has a short time", file: "router/admission/store/store.go",
			from: `context.WithTimeout(context.WithoutCancel(ctx), s.timeout)`, to: `context.WithTimeout(context.WithoutCancel(ctx), time.Minute)`,
			test: "TestAQuestionHasAShortTime",
		},
		{
			breaks: "who leaves does not cut a question short", file: "router/admission/store/store.go",
			from: `context.WithTimeout(context.WithoutCancel(ctx), s.timeout)`, to: `context.WithTimeout(ctx, s.timeout)`,
			test: "TestWhoLeavesDoesNotCutAQuestionShort",
		},
		{
			breaks: "the error of a URL does not repeat it", file: "router/admission/store/open.go",
			from: "		return nil, errURL\n	}\n	if u.Query()", to: "		return nil, errors.New(address.Reveal())\n	}\n	if u.Query()",
			test: "TestTheErrorOfABadURLDoesNotRepeatIt",
		},
	}
}
