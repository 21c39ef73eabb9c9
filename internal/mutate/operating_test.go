package mutate_test

// operatingMutations keep from operators what they need to see, and from their
// clients a key that works.
func operatingMutations() []mutation {
	return []mutation{
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
			breaks: "dev shows https", file: "cmd/poolkeeper/dev_banner.go",
			from: `	if cert != "" {`, to: `	if cert == "-" {`,
			test: "TestTheBannerShowsHTTPSWhereThereIsTLS",
		},
	}
}
