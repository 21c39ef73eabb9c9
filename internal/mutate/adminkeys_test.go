package mutate_test

// adminKeyMutations break what holds for API keys and readers in the admin API and
// on the command line.
func adminKeyMutations() []mutation {
	return []mutation{
		{
			breaks: "an eviction is the reader's too", file: "server/admin_pools.go",
			from: `own, reader := s.deps.Keeper.Evict(id), s.deps.Keeper.Evict(id.Reader())`, to: `own, reader := s.deps.Keeper.Evict(id), false`,
			test: "TestAnEvictionAndAWarmingAreForTheReaderToo",
		},
		{
			breaks: "a reader's pool is shown as its tenant's", file: "server/admin_pools.go",
			from: `Tenant: p.Tenant.Tenant(), Access: accessWrite`, to: `Tenant: p.Tenant, Access: accessWrite`,
			test: "TestAReadersPoolIsItsTenants",
		},
		{
			breaks: "a reader's pool is told from its tenant's", file: "server/admin_pools.go",
			from: `view.Access = accessRead`, to: `view.Access = accessWrite`,
			test: "TestAReadersPoolIsItsTenants",
		},
		{
			breaks: "a key's scope is never guessed", file: "server/admin_key_body.go",
			from: `case k.Scope == "":`, to: `case false:`,
			test: "TestABadKeyNamesTheFieldAndWhatIsRight",
		},
		{
			breaks: "a new key has not ended yet", file: "server/admin_key_body.go",
			from: `case !k.Expires.IsZero() && !k.Expires.After(now):`, to: `case false:`,
			test: "TestABadKeyNamesTheFieldAndWhatIsRight",
		},
		{
			breaks: "a time that JSON cannot write is refused", file: "server/admin_key_body.go",
			from: ` || at.Year() < firstYear || at.Year() > lastYear`, to: ``,
			test: "TestABadKeyNamesTheFieldAndWhatIsRight",
		},
		{
			breaks: "who can have no reader is told what it takes", file: "server/admin_problem.go",
			from: `{registry.ErrNoReader, conflict, "no_reader", "The tenant has no login that can only read", ""},`, to: ``,
			test: "TestWhyThereIsNoKeyIsTold",
		},
		{
			breaks: "a flush that failed is no flush", file: "server/admin_flush.go",
			from: `err = &flushError{failed}`, to: `_ = &flushError{failed}`,
			test: "TestATenantsCacheIsFlushed",
		},
		{
			breaks: "a rate is changed at runtime", file: "server/admin_limit_body.go",
			from: `{"rate", patched(&l.Rate, readRate)},`, to: `{"rate", patched(new(*float64), readRate)},`,
			test: "TestAPatchChangesWhatItNamesAndNullTakesAway",
		},
		{
			breaks: "a key's text goes to the standard output alone", file: "cmd/poolkeeper/apikeycmd.go",
			from: `printable(made.Key.Prefix), printable(made.Key.Tenant), abilityOf(made.Key))`, to: `printable(made.Text), printable(made.Key.Tenant), abilityOf(made.Key))`,
			test: "TestAKeyIsAloneOnTheStandardOutput",
		},
		{
			breaks: "of a key that is named by its text only the id is sent", file: "cmd/poolkeeper/apikeycmd.go",
			from: `id, _, _ := strings.Cut(strings.TrimPrefix(text, "pk_"), "_")`, to: `id := strings.TrimPrefix(text, "pk_")`,
			test: "TestAKeyIsAskedForAsTheFlagsSay",
		},
	}
}
