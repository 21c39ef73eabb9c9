package mutate_test

import "slices"

// readcacheMutations serve an answer that is somebody else's, or too old, or
// ask the database more often than need be.
func readcacheMutations() []mutation {
	return slices.Concat(readcacheKeyMutations(), readcacheReadMutations())
}

// readcacheKeyMutations have questions meet that are not the same.
func readcacheKeyMutations() []mutation {
	return []mutation{
		{
			breaks: "two tenants never meet", file: "server/readcache/key.go",
			from: `k := Key{tenant: t.ID.Tenant(), version`, to: `k := Key{version`,
			test: "TestTwoTenantsNeverMeet",
		},
		{
			breaks: "a tenant and its reader never meet", file: "server/readcache/key.go",
			from: `		k.tenant = k.tenant.Reader()`, to: `		_ = k.tenant.Reader()`,
			test: "TestTwoTenantsNeverMeet",
		},
		{
			breaks: "two versions of a record never meet", file: "server/readcache/key.go",
			from: `version: t.Version, asked`, to: `asked`,
			test: "TestAnAnswerIsNotServedUnderAnotherVersion",
		},
		{
			breaks: "a part ends where it ends", file: "server/readcache/key.go",
			from: `b = binary.BigEndian.AppendUint64(b, uint64(len(text)))`, to: `_ = binary.BigEndian`,
			test: "TestKeysDifferInWhateverIsAsked",
		},
		{
			breaks: "null is no text", file: "server/readcache/key.go",
			from: `b = append(b, null)`, to: `b = part(append(b, given), "")`,
			test: "TestTwoTenantsNeverMeet",
		},
		{
			breaks: "a flush holds everywhere when it returns", file: "server/readcache/generation.go",
			from: `asked := time.NewTimer(flushedWithin)`, to: `asked := time.NewTimer(0)`,
			test: "TestAFlushHoldsOnTheOtherServersWhenItReturns",
		},
		{
			breaks: "a flush holds", file: "server/readcache/generation.go",
			from: `binary.BigEndian.Uint64(random[:])|1, `, to: `binary.BigEndian.Uint64(random[:])&0, `,
			test: "TestAFlushIsThatOfOneTenantAndItsReader",
		},
		{
			breaks: "a flush that is forgotten holds", file: "server/readcache/generation.go",
			from: `		g.epoch++`, to: `		_ = g.epoch`,
			test: "TestManyFlushesCostBoundedMemoryAndLoseNone",
		},
		{
			breaks: "a flush that was not told is told later", file: "server/readcache/generation.go",
			from: `if known.owed {`, to: `if false {`,
			test: "TestAFlushThatRedisDidNotHearOfIsToldLater",
		},
		{
			breaks: "what a secret leads to is not shared", file: "server/readcache/key.go",
			from: `if t.DSN.IsZero() {`, to: `if true {`,
			test: "TestATenantWithADSNIsNotShared",
		},
	}
}

// readcacheReadMutations break when the database is asked, and what is kept.
func readcacheReadMutations() []mutation {
	return []mutation{
		{
			breaks: "no answer is older than the client takes", file: "server/readcache/do.go",
			from: `return e, ok && time.Since(e.read) <= maxAge`, to: `return e, ok && time.Since(e.read) <= k.keep`,
			test: "TestAnAnswerIsServedAgainUntilItIsTooOld",
		},
		{
			breaks: "no answer is older than the tenant allows", file: "server/readcache/do.go",
			from: `	maxAge = min(maxAge, k.keep)`, to: ``,
			test: "TestNoAnswerIsOlderThanTheTenantAllows",
		},
		{
			breaks: "the age counts from when the read began", file: "server/readcache/do.go",
			from: `read: began}`, to: `read: began.Add(time.Since(began))}`,
			test: "TestTheAgeCountsFromWhenTheReadBegan",
		},
		{
			breaks: "one asks for all", file: "server/readcache/flight.go",
			from: `if fl := f.under[k]; fl != nil {`, to: `if fl := f.under[k]; false {`,
			test: "TestOfAThousandWhoAskAtOnceOneAsksTheDatabase",
		},
		{
			breaks: "who waits may stop", file: "server/readcache/flight.go",
			from: `case <-ctx.Done():`, to: `case <-(chan struct{})(nil):`,
			test: "TestWhoStopsWaitingEndsOnlyTheOwnWait",
		},
		{
			breaks: "another takes over from who leaves", file: "server/readcache/do.go",
			from: `fl.err, fl.again = err, ctx.Err() != nil`, to: `fl.err, fl.again = err, false`,
			test: "TestWhenTheOneWhoAsksLeavesAnotherTakesOver",
		},
		{
			breaks: "a panic leaves nobody waiting", file: "server/readcache/do.go",
			from: `	defer land()`, to: ``,
			test: "TestAPanicLeavesNobodyWaiting",
		},
		{
			breaks: "no error is kept", file: "server/readcache/do.go",
			from: "		fl.err, fl.again = err, ctx.Err() != nil\n", to: "		fl.err, fl.again = err, ctx.Err() != nil\n		c.keep(k, entry{read: began})\n",
			test: "TestAnErrorIsSharedWithWhoeverWaitsAndNotKept",
		},
		{
			breaks: "an answer of nothing costs something", file: "server/readcache/doc.go",
			from: `len(e.body)+overhead, math`, to: `len(e.body), math`,
			test: "TestTheBytesAreBounded",
		},
		{
			breaks: "one answer does not take the place of all others", file: "server/readcache/doc.go",
			from: `<= c.cfg.MaxBytes/4 }`, to: `<= c.cfg.MaxBytes }`,
			test: "TestTheBytesAreBounded",
		},
		{
			breaks: "a client that wants it new gets it new", file: "server/readcache/answer.go",
			from: `case "no-cache", "no-store":`, to: `case "no-cache ":`,
			test: "TestTheClientAsksAndTheTenantAllows",
		},
		{
			breaks: "the cache is off where it was not turned on", file: "server/readcache/answer.go",
			from: `t.Limits.CacheFor, longest))`, to: `longest))`,
			test: "TestTheCacheIsOffUnlessTheTenantHasItOn",
		},
	}
}
