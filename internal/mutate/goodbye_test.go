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
	}
}
