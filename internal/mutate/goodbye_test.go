package mutate_test

// goodbyeMutations break what holds while tenants go, and while a fleet is
// worked on.
func goodbyeMutations() []mutation {
	return []mutation{
		{
			breaks: "a deletion begins where it can be finished", file: "onboard/lifecycle/delete.go",
			from: `	return o.within(r)`, to: `	return nil`,
			test: "TestATenantWhoseClusterIsGoneIsNotDeletedHalfButForgotten",
		},
		{
			breaks: "data that can be reached is not left behind", file: "onboard/lifecycle/forget.go",
			from: `if err := o.within(r); err == nil {`, to: `if err := o.within(r); err == nil && r.ID.IsZero() {`,
			test: "TestATenantThatCanBeDeletedIsNotForgotten",
		},
		{
			breaks: "what is in the way is told before the doors are shut", file: "onboard/drop.go",
			from: `		err = own.inWay(ctx, home, pl)`, to: `		_ = own.inWay`,
			test: "TestADropSaysWhatIsInTheWayBeforeItShutsTheDoors",
		},
		{
			breaks: "of many tenants not every step is written", file: "onboard/lifecycle/job.go",
			from: `if !j.op.Tenant.IsZero() || j.due() {`, to: `if true {`,
			test: "TestOfTheStepsOfManyTenantsFewAreWrittenDown",
		},
		{
			breaks: "large events come seldom", file: "server/admin_follow.go",
			from: `case rest != nil && op.State == control.Running:`, to: `case rest != nil && op.State == "":`,
			test: "TestLargeEventsComeSeldomAndTheLastAtOnce",
		},
		{
			breaks: "a migration of the control database holds nobody up", file: "registry/control/migrate.go",
			from: `"SET lock_timeout = '"+tableWait+"'"`, to: `"SET lock_timeout = 0"`,
			test: "TestAMigrationThatWaitsForADumpHoldsUpNobody",
		},
		{
			breaks: "what is not known is no failure of the tenant", file: "pools/prepare.go",
			from: `case errors.Is(err, registry.ErrUnavailable): // nothing`, to: `case errors.Is(err, errBackedOff): // nothing`,
			test: "TestAPreparationThatCannotAskIsToldAsThat",
		},
		{
			breaks: "what goes with its type is not dropped alone", file: "onboard/dropleft.go",
			from: `i.objid = f.oid and i.deptype = 'i')`, to: `i.objid = f.oid and i.deptype = 'x')`,
			test: "TestASchemaWithManyObjectsAndARangeTypeIsDropped",
		},
		{
			breaks: "large objects go in portions", file: "onboard/dropplace.go",
			from: `return a.unlink(ctx, own.roles(pl))`, to: `return nil`,
			test: "TestATenantWithMoreLargeObjectsThanCanBeLockedIsDropped",
		},
		{
			breaks: "the source of a copy keeps what no database has", file: "onboard/clone_owner.go",
			from: `return executeAll(ctx, tx, slices.DeleteFunc(had,`, to: `return executeAll(ctx, tx, slices.DeleteFunc(had[:0],`,
			test: "TestTheSourceOfAClonedDatabaseKeepsItsRightsOnTheServer",
		},
		{
			breaks: "a pending tenant gets the password of the file", file: "onboard/lifecycle/diff.go",
			from: `if r.State == registry.StatusPending && c.password {`, to: `if r.State == "" && c.password {`,
			test: "TestATenantThatIsPendingForItsPasswordGetsTheOneThatTheFileHasByNow",
		},
		{
			breaks: "a server that is full says nothing of a password", file: "onboard/password.go",
			from: `	case "57P03":
		return true`, to: `	case "57P03":
		return false`,
			test: "TestAServerThatLetsNobodyInSaysNothingOfAPassword",
		},
	}
}
