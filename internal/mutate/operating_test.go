package mutate_test

// operatingMutations keep from operators what they need to see, and from their
// clients a key that works.
func operatingMutations() []mutation {
	return []mutation{
		{
			breaks: "what a crash has undone is not believed", file: "registry/control/load.go",
			from: `extract(epoch FROM pg_catalog.pg_postmaster_start_time())`, to: `1`,
			test: "TestADatabaseWhoseServerWasStartedAgainIsReadAgain",
		},
		{
			breaks: "a list of operations is short", file: "registry/control/operation.go",
			from: `selectListed+c.where()`, to: `selectOperation+c.where()`,
			test: "TestAListOfOperationsIsShortHoweverLongTheyAre",
		},
		{
			breaks: "half an output is a failure", file: "cmd/poolkeeper/app.go",
			from: `		err = out.failure()`, to: `		_ = out.failure()`,
			test: "TestOutputThatCannotBeWrittenIsAFailure",
		},
		{
			breaks: "a server that is still opening is not ready", file: "server/health.go",
			from: `if s.opening.Load() {`, to: `if s.opening.Load() && false {`,
			test: "TestAServerThatIsStillOpeningLivesAndIsNotReady",
		},
		{
			breaks: "who may ask is known before what is missing", file: "server/routes.go",
			from: `mountOperator(e, s.operatorOnly, s.whenOpen)`, to: `mountOperator(e, s.whenOpen, s.operatorOnly)`,
			test: "TestAServerThatIsStillOpeningAsksForItsTokens",
		},
		{
			breaks: "a stop while it is opening is no failure", file: "server/run.go",
			from: `if ctx.Err() != nil { // told to stop`, to: `if ctx.Err() == nil { // told to stop`,
			test: "TestAStopEndsTheOpeningAtOnce",
		},
		{
			breaks: "a hangup is no sudden end", file: "cmd/poolkeeper/main.go",
			from: `	if !signal.Ignored(syscall.SIGHUP) {`, to: `	if false {`,
			test: "TestAHangupStopsTheServerGracefully",
		},
		{
			breaks: "a parameter that a path does not take is refused", file: "server/admin_query.go",
			from: `		if slices.Contains(known, name) {`, to: `		if true {`,
			test: "TestAParameterThatAPathDoesNotTakeIsRefusedByName",
		},
		{
			breaks: "a key is good everywhere when it is shown", file: "onboard/lifecycle/keys.go",
			from: `		o.awaitKey(ctx, key) // who is given`, to: `		_ = key // who is given`,
			test: "TestAKeyOpensEveryServerWhenItsTextIsShownAndNoneWhenItsEndIs", pkg: "./cmd/poolkeeper",
		},
		{
			breaks: "an outage of the store is told", file: "router/admission/store/store.go",
			from: `	case begins:`, to: `	case begins && false:`,
			test: "TestAnOutageIsToldOnceAndSoIsItsEnd",
		},
		{
			breaks: "an outage of the store is told once", file: "router/admission/store/breaker.go",
			from: `return b.failed == patience, false`, to: `return b.failed >= patience, false`,
			test: "TestAnOutageIsToldOnceAndSoIsItsEnd",
		},
		{
			breaks: "all lines of the log are the log's", file: "router/admission/store/open.go",
			from: `redis.SetLogger(&logging.VoidLogger{})`, to: `_ = logging.VoidLogger{}`,
			test: "TestARedisThatIsNotThereIsInTheLogOnce", pkg: "./cmd/poolkeeper",
		},
		{
			breaks: "a check reads the files of TLS", file: "cmd/poolkeeper/configcmd.go",
			from: `errors.Join(cfg.Server.CheckFiles(), checkIssuer(cfg.JWT))`, to: `errors.Join(checkIssuer(cfg.JWT))`,
			test: "TestConfigCheckReadsTheFilesThatAStartNeeds",
		},
		{
			breaks: "a check reads the issuer's keys", file: "cmd/poolkeeper/configcmd.go",
			from: `	verifier, err := token.New(cfg, nil)`, to: "	cfg.JWKS = \"https://issuer.invalid\"\n	verifier, err := token.New(cfg, nil)",
			test: "TestConfigCheckReadsTheFilesThatAStartNeeds",
		},
		{
			breaks: "a private authority is believed", file: "cmd/poolkeeper/connect_tls.go",
			from: `cfg.RootCAs, caErr = authorities(ca)`, to: `_, caErr = authorities(ca)`,
			test: "TestOperatorsReachAnAdminListenerOfAPrivateAuthority",
		},
		{
			breaks: "an expired certificate is named", file: "cmd/poolkeeper/connect_tls.go",
			from: `if pair.Leaf != nil && time.Now()`, to: `if pair.Leaf == nil && time.Now()`,
			test: "TestOperatorsReachAnAdminListenerOfAPrivateAuthority",
		},
		{
			breaks: "a client in a loop warns once", file: "server/observe.go",
			from: `level == slog.LevelWarn && !s.loud.take(t.code)`, to: `level == slog.LevelWarn && !s.loud.take(t.id)`,
			test: "TestAClientInALoopWarnsOnceInAWhile",
		},
		{
			breaks: "a scanner warns of nothing", file: "server/occasional.go",
			from: `l.tell(slog.LevelInfo, "tls: "`, to: `l.tell(slog.LevelWarn, "tls: "`,
			test: "TestFailedHandshakesAreNoWarningsAndAreToldNowAndThen",
		},
		{
			breaks: "the line of a reached limit names the tenant", file: "server/sql.go",
			from: `t.tenant, t.key = limited.Tenant, limited.KeyID`, to: `t.key = limited.KeyID`,
			test: "TestALimitThatIsReachedIsNoWarning",
		},
		{
			breaks: "a password in a URL is not repeated", file: "cmd/poolkeeper/connect.go",
			from: `strings.Contains(cfg.Server, "@")`, to: `strings.Contains(cfg.Server, "@@")`,
			test: "TestACommandLineThatMakesNoSenseAsksNobody",
		},
		{
			breaks: "the mistake that others follow from is told", file: "cmd/poolkeeper/serve.go",
			from: `all != nil {`, to: `all != nil && false {`,
			test: "TestARefusedFileIsToldWithTheMistakeThatTheOthersFollowFrom",
		},
		{
			breaks: "dev shows https", file: "cmd/poolkeeper/dev_banner.go",
			from: `	if cert != "" {`, to: `	if cert == "-" {`,
			test: "TestTheBannerShowsHTTPSWhereThereIsTLS",
		},
		{
			breaks: "a file that declares nobody by mistake suspends nobody", file: "registry/parse.go",
			from: `doc.Declares && !found &&`, to: `doc.Declares && found &&`,
			test: "TestADocumentThatHasToDeclareNamesItsTenants",
		},
		{
			breaks: "what operators send is such a file", file: "server/admin_fleet.go",
			from: `, Declares: true}`, to: `}`,
			test: "TestAFileIsAppliedUnderTheNameThatItIsGiven",
		},
		{
			breaks: "what is listed is asked for in UTF-8", file: "server/admin_list.go",
			from: ` || !utf8.ValidString(text)`, to: ` || utf8.RuneCountInString(text) < 0`,
			test: "TestWhatCannotBeReadIsNamedWithWhatWouldBeRight",
		},
		{
			breaks: "a tenant made by an operator is counted", file: "onboard/lifecycle/add.go",
			from: `	defer func() { o.deps.Observer.Onboarded(err) }()`, to: `	_ = err`,
			test: "TestWhatOperatorsDoIsInTheMetrics", pkg: "./cmd/poolkeeper",
		},
		{
			breaks: "a migration is counted", file: "onboard/lifecycle/catchup.go",
			from: `m.Err != nil || len(m.Applied) > 0`, to: `m.Err != nil && len(m.Applied) > 0`,
			test: "TestMigrationsAreInTheMetrics", pkg: "./cmd/poolkeeper",
		},
		{
			breaks: "who does not listen says so", file: "registry/control/follow.go",
			from: `	defer d.hears.Store(false)`, to: `	defer d.hears.Load()`,
			test: "TestWhetherChangesAreHeardOfIsKnown",
		},
		{
			breaks: "what is done to pools is in the audit trail", file: "server/admin_note.go",
			from: `if s.deps.Operator != nil {`, to: `if s.deps.Operator == nil {`,
			test: "TestWhatIsDoneToTheRunningServerIsInTheAuditTrailAndTheLog",
		},
		{
			breaks: "a login that is refused is an outage", file: "server/admin_problem.go",
			from: `errors.AsType[*pgconn.ConnectError](err); ok {`, to: `errors.AsType[*pgconn.ConnectError](err); ok && false {`,
			test: "TestEveryErrorOfAnOperatorHasItsStatusAndCode",
		},
	}
}
