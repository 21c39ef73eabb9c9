package mutate_test

import "slices"

// secondLoginMutations break what holds of the login that may only read, of limits,
// and of transactions that are run again.
func secondLoginMutations() []mutation {
	return slices.Concat(secondLoginRecordMutations(), secondLoginPoolMutations(), rerunMutations(), doorCountMutations())
}

// secondLoginRecordMutations break what is known of readers.
func secondLoginRecordMutations() []mutation {
	return []mutation{
		{
			breaks: "a reader logs in with its own role", file: "registry/reader.go",
			from: `r.Login, r.Password, r.SharedLogin = t.ReadLogin, t.ReadPassword, t.SharedReadLogin`, to: `r.SharedLogin = t.SharedReadLogin`,
			test: "TestTheRecordOfAReaderIsTheTenantsWithAnotherLogin",
		},
		{
			breaks: "a tenant without a reader has none", file: "registry/reader.go",
			from: `	if t.ReadLogin == "" {`, to: `	if false {`,
			test: "TestAReaderIsRefusedAsItsTenantIs",
		},
		{
			breaks: "subscribers are told of the reader too", file: "registry/registry.go",
			from: `		fn(reader)`, to: `		_ = reader`,
			test: "TestEveryChangeIsToldOfTheReaderTooOnceItIsForgotten",
		},
		{
			breaks: "a reader's login is not the tenant's", file: "registry/reader.go",
			from: `case s.ReadLogin == s.Login:`, to: `case false:`,
			test: "TestAReaderGoesWithALoginOfTheTenantsOwn",
		},
		{
			breaks: "a reader's login is not the cluster's", file: "registry/reader.go",
			from: `if s.ReadLogin != "" && slices.Contains(`, to: `if false && slices.Contains(`,
			test: "TestAReaderGoesWithALoginOfTheTenantsOwn",
		},
		{
			breaks: "a login that a reader comes to is shared", file: "registry/location.go",
			from: `		roles = append(roles, login{t.Cluster, t.ReadLogin})`, to: `		roles = roles[:1:1]`,
			test: "TestStaticIsASource",
		},
		{
			breaks: "a reader's login that another comes to is shared", file: "registry/round.go",
			from: `at.SharedReadLogin != readShared(at)`, to: `false && at.SharedReadLogin`,
			test: "TestLiveIsASource",
		},
		{
			breaks: "a reader's password alone is not a change of the tenant's pool", file: "registry/tenant.go",
			from: `	a.ReadPassword = b.ReadPassword` + "\n", to: "",
			test: "TestAReadersPasswordAloneIsNoReasonToReplaceTheTenantsPool",
		},
		{
			breaks: "a rate is a number", file: "registry/limits.go",
			from: `if math.IsNaN(perSecond) || perSecond < 0`, to: `if _ = math.NaN; perSecond < 0`,
			test: "TestALimitThatIsOutOfBoundsIsNamed",
		},
		{
			breaks: "a limit that a tenant leaves open is its plan's", file: "registry/limit_settings.go",
			from: `s.maxResult.or(plan.maxResult)`, to: `s.maxResult`,
			test: "TestEveryLimitIsTheTenantsOwnOrItsPlans",
		},
	}
}

// secondLoginPoolMutations break what holds of readers' pools.
func secondLoginPoolMutations() []mutation {
	return []mutation{
		{
			breaks: "a reader's data is prepared by its tenant's record", file: "pools/prepare.go",
			from: `if t.ID.IsReader() {`, to: `if false {`,
			test: "TestAReadersPoolIsPreparedByItsTenantsRecord",
		},
		{
			breaks: "a preparation that failed is remembered for the reader too", file: "pools/prepare.go",
			from: `tenant: t.ID.Tenant().String()}`, to: `tenant: t.ID.String()}`,
			test: "TestAFailedPreparationIsRememberedForBoth",
		},
		{
			breaks: "a tenant's own queue timeout counts", file: "pools/callers.go",
			from: `time.NewTimer(orDefault(e.record.Load().Limits.QueueTimeout, e.keeper.cfg.QueueTimeout))`, to: `time.NewTimer(e.keeper.cfg.QueueTimeout)`,
			test: "TestATenantsOwnQueueTimeoutIsFollowed",
		},
		{
			breaks: "a changed queue timeout is followed", file: "pools/callers.go",
			from: `e.record.Load().Limits.QueueTimeout`, to: `e.tenant.Limits.QueueTimeout`,
			test: "TestATenantsOwnQueueTimeoutIsFollowed",
		},
		{
			breaks: "a limit of requests replaces no pool", file: "pools/limits.go",
			from: `return pinned(own.Limits) == pinned(t.Limits) && own`, to: `return own.Limits == t.Limits && own`,
			test: "TestALimitOfRequestsReplacesNoPool",
		},
		{
			breaks: "a password that is another replaces the pool", file: "pools/limits.go",
			from: `own.Password == t.Password && `, to: ``,
			test: "TestOnlyThePoolWhoseOwnRecordIsAnotherIsReplaced",
		},
	}
}

// rerunMutations break what holds of transactions.
func rerunMutations() []mutation {
	return []mutation{
		{
			breaks: "only what may succeed is run again", file: "pools/retry.go",
			from: `return ok && (pg.Code == "40001" || pg.Code == "40P01")`, to: `return ok && pg.Code[:2] == "40"`,
			test: "TestOnlyATransactionThatMaySucceedNextTimeIsRunAgain",
		},
		{
			breaks: "a deadlock is run again", file: "pools/retry.go",
			from: `(pg.Code == "40001" || pg.Code == "40P01")`, to: `pg.Code == "40001"`,
			test: "TestATransactionThatIsInADeadlockIsRunAgain", pkg: "./integration",
		},
		{
			breaks: "the runs are bounded", file: "pools/retry.go",
			from: `attempt >= r.Attempts`, to: `attempt > r.Attempts`,
			test: "TestOnlyATransactionThatMaySucceedNextTimeIsRunAgain",
		},
		{
			breaks: "a context ends the wait", file: "pools/retry.go",
			from: `case <-ctx.Done():`, to: `case <-context.Background().Done():`,
			test: "TestAContextThatEndsEndsTheWait",
		},
		{
			breaks: "the row setting is not the caller's", file: "pools/tx.go",
			from: `case strings.EqualFold(name, l.entry.keeper.cfg.RowSetting):`, to: `case name == l.entry.keeper.cfg.RowSetting:`,
			test: "TestASettingThatIsNotTheCallersIsRefusedBeforeAnythingIsDone",
		},
		{
			breaks: "only custom settings are the caller's", file: "pools/tx.go",
			from: `case !customSetting.MatchString(name) ||`, to: `case false && customSetting.MatchString(name) ||`,
			test: "TestASettingThatIsNotTheCallersIsRefusedBeforeAnythingIsDone",
		},
	}
}

// doorCountMutations break what is counted of it.
func doorCountMutations() []mutation {
	return []mutation{
		{
			breaks: "a bad credential is counted by what is wrong with it", file: "metrics/refusals.go",
			from: `return append(credentialRefusals(), otherRefusals()...)`, to: `return append(otherRefusals()[:5], credentialRefusals()...)`,
			test: "TestEveryTypedErrorHasAReasonOfItsOwn",
		},
		{
			breaks: "the reader of a listed tenant is listed", file: "metrics/ranking.go",
			from: `return ok && e.(*entry).fixed`, to: `return ok && e == nil`,
			test: "TestTheReaderOfAListedTenantIsListedToo",
		},
		{
			breaks: "only answers of the shared store are timed", file: "metrics/admission.go",
			from: `		m.asked.at(resultOK).Inc()` + "\n", to: `		m.asked.at(resultOK).Inc()` + "\n		m.answers.Observe(0)\n",
			test: "TestOnlyAnswersOfTheStoreAreTimed",
		},
	}
}
