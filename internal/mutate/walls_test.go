package mutate_test

// wallMutations break what keeps SQL from clients to its own tenant.
func wallMutations() []mutation {
	return []mutation{
		{
			breaks: "a lock that all share is closed", file: "onboard/harden.go",
			from: `f.proname <> 'pg_advisory_unlock_all'`, to: `f.proname = ''`,
			test: "TestWhatASuperuserHasToCloseIsClosedByTheStatementsInTheLog", pkg: "./integration",
		},
		{
			breaks: "nobody's message is forged", file: "onboard/harden.go",
			from: `'record_in', 'pg_logical_emit_message'`, to: `'record_in'`,
			test: "TestWhatASuperuserHasToCloseIsClosedByTheStatementsInTheLog", pkg: "./integration",
		},
		{
			breaks: "a type is not used by its number", file: "onboard/harden.go",
			from: `'array_in', 'domain_in'`, to: `'array_in'`,
			test: "TestATypeIsNotUsedByItsNumber", pkg: "./onboard",
		},
		{
			breaks: "temporary files have a limit", file: "onboard/harden.go",
			from: `a.limitFiles(ctx, pl, pl.login, pl.tenant.ReadLogin)`, to: `a.limitFiles(ctx, pl)`,
			test: "TestTemporaryFilesHaveALimitThatTheTenantCannotLift", pkg: "./onboard",
		},
		{
			breaks: "an operator's limit stays", file: "onboard/harden.go",
			from: `where s.setrole in (0, r.oid) and c like`, to: `where false and c like`,
			test: "TestALimitOfTemporaryFilesThatAnOperatorHasSetStays", pkg: "./onboard",
		},
		{
			breaks: "a login that is a member of others is no wall", file: "pools/plan.go",
			from: `case row[colMember] != "f":`, to: `case false:`,
			test: "TestSQLFromClientsIsRefusedForIsolationsThatAreNoWall", pkg: "./integration",
		},
		{
			breaks: "a session comes back as it was", file: "pools/plan.go",
			from: `SET SESSION AUTHORIZATION DEFAULT; RESET ALL; UNLISTEN *; `, to: `SET SESSION AUTHORIZATION DEFAULT; RESET ALL; `,
			test: "TestSQLFromAClientReachesNoOtherTenant", pkg: "./integration",
		},
		{
			breaks: "everybody's temporary tables are nobody's", file: "onboard/harden.go",
			from: `in ('CONNECT', 'TEMPORARY')`, to: `in ('CONNECT')`,
			test: "TestSQLFromAClientReachesNoOtherTenant", pkg: "./integration",
		},
	}
}
