package mutate_test

// readerLoginMutations break what a second login, which may only read, rests on.
func readerLoginMutations() []mutation {
	return append(readerRightMutations(), readerLifeMutations()...)
}

func readerRightMutations() []mutation {
	return []mutation{
		{
			breaks: "a reader has no right too many", file: "onboard/reader_rights.go",
			from: `from rel where has <> case when wanted then array['SELECT'] else '{}' end limit $7)`, to: `from rel where wanted and not 'SELECT' = any(has) limit $7)`,
			test: "TestARightThatIsMissingIsGivenAndOneTooManyIsTaken",
		},
		{
			breaks: "a reader reads what comes", file: "onboard/reader_rights.go",
			from: `unnest(array['r', 'S']) k(kind)`, to: `unnest(array[]::text[]) k(kind)`,
			test: "TestAReaderReadsWhatWasThereAndWhatComes",
		},
		{
			breaks: "a reader sees no version", file: "onboard/reader_rights.go",
			from: `c.relname not in ($6::text, $6::text || '_id_seq')`, to: `c.relname not in ($6::text || '_id_seq')`,
			test: "TestAReaderReadsWhatWasThereAndWhatComes",
		},
		{
			breaks: "a reader sees no version whose table comes later", file: "onboard/migrate_run.go",
			from: `readers, err := pl.readers(ctx, s)`, to: `readers, err := []string(nil), error(nil)`,
			test: "TestAReaderNeverSeesTheVersionsEvenWhenTheirTableComesLater",
		},
		{
			breaks: "a right of a reader that nothing takes away is told", file: "onboard/reader_rights.go",
			from: "	if slices.Equal(changes, last) { // given by a role that is none of the tenant's\n", to: "	if slices.Equal(changes, last) { // given by a role that is none of the tenant's\n			return nil\n",
			test: "TestAReaderThatCanDoMoreIsRefused",
		},
		{
			breaks: "who shares tables has no reader", file: "onboard/reader.go",
			from: `case pl.row():`, to: `case false:`,
			test: "TestWhoCannotHaveAReaderIsRefusedByName",
		},
		{
			breaks: "a reader is one tenant's", file: "onboard/reader.go",
			from: `a.owns(ctx, name, pl.comment(kindReader), !pl.unborn())`, to: `a.owns(ctx, name, pl.comment(kindReader), false)`,
			test: "TestADropRefusesSomebodyElsesReader",
		},
		{
			breaks: "a reader that may write is found", file: "onboard/doctor/reader.go",
			from: `if err != nil || len(open) == 0 {`, to: `if err != nil || len(open) != 1000 {`,
			test: "TestAReaderThatMayDoMoreThanReadIsFound",
		},
	}
}

func readerLifeMutations() []mutation {
	return []mutation{
		{
			breaks: "a drop takes a reader that the record lost", file: "onboard/reader.go",
			from: `	return pl.readers(ctx, a)`, to: "	if pl.tenant.ReadLogin == \"\" {\n		return nil, nil\n	}\n	return pl.readers(ctx, a)",
			test: "TestADropTakesTheReaderAlsoOneThatTheRecordLost",
		},
		{
			breaks: "the copy of a database knows no reader", file: "onboard/clone_owner.go",
			from: `for _, reader := range readers {`, to: `for _, reader := range readers[:0] {`,
			test: "TestTheCopyOfADatabaseKnowsNoReader",
		},
		{
			breaks: "a spare and a reader do not meet", file: "onboard/claim.go",
			from: `case from.ReadLogin != "" || t.ReadLogin != "":`, to: `case from.ReadLogin != "":`,
			test: "TestASpareAndAReaderDoNotMeet",
		},
		{
			breaks: "a reader that is there keeps its password", file: "onboard/lifecycle/reader.go",
			from: "		if r.ReadLogin == \"\" {\n			r.ReadLogin", to: "		if true {\n			r.ReadLogin",
			test: "TestAReaderWhoseMakingWasCutShortIsFinished", pkg: "./integration",
		},
		{
			breaks: "a key that reads finds a reader", file: "onboard/lifecycle/keys.go",
			from: `		err = o.MakeReader(ctx, by, k.Tenant)`, to: `		err = nil`,
			test: "TestAReadOnlyKeyMakesTheReaderFirst", pkg: "./integration",
		},
		{
			breaks: "a rotation looks at the reader before anything is changed", file: "onboard/lifecycle/rotate.go",
			from: `	if err := o.wholeReader(ctx, j, id); err != nil {`, to: `	if err := error(nil); err != nil {`,
			test: "TestARotationThatTheReaderRefusesChangesNothing", pkg: "./integration",
		},
		{
			breaks: "a rotation includes the reader", file: "onboard/lifecycle/rotate.go",
			from: `	return o.rotateReader(ctx, j, id)`, to: `	return nil`,
			test: "TestARotationOfBothLoginsFailsNoRequest", pkg: "./integration",
		},
		{
			breaks: "a reader's password is set back", file: "onboard/lifecycle/reader.go",
			from: `		if err != nil || works {`, to: `		if err != nil || !works {`,
			test: "TestAPasswordThatAReaderChangedIsSetBack", pkg: "./integration",
		},
		{
			breaks: "the trail never has the text of a key", file: "onboard/lifecycle/keys.go",
			from: `	case len(asked) > id:`, to: `	case len(asked) > 1000*id:`,
			test: "TestTheTrailSaysWhoDidWhatToAKeyAndNeverItsText", pkg: "./integration",
		},
		{
			breaks: "asked for a reader the tenant is migrated", file: "onboard/lifecycle/catchup.go",
			from: `	id := t.ID.Tenant()`, to: `	id := t.ID`,
			test: "TestATenantThatIsBehindIsMigratedBeforeItsReaderReads", pkg: "./integration",
		},
		{
			breaks: "a deletion tells of the keys", file: "onboard/lifecycle/delete.go",
			from: `if result.Keys, err = o.countKeys(ctx, id); err == nil {`, to: `if err == nil {`,
			test: "TestADeletionTellsHowManyKeysWentWithTheTenant", pkg: "./integration",
		},
	}
}
