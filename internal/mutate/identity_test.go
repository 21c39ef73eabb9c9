package mutate_test

// identityMutations break what a second reading of the front door found.
func identityMutations() []mutation {
	return []mutation{
		{
			breaks: "an address that may be a gateway's does not shut out its clients", file: "router/router.go",
			from: " || r.chain.faceless(f) {", to: " {",
			test: "TestNobodyIsLimitedByAnAddressThatMayBeAGateways",
		},
		{
			breaks: "without proxies what no open resolver vouches for counts", file: "router/chain.go",
			from: "len(c.proxies) == 0 && f.err == nil && f.vouched != nil && f.vouched.open", to: "len(c.proxies) == 0",
			test: "TestWithoutProxiesARefusalForWantOfACredentialCounts",
		},
		{
			breaks: "behind listed proxies an open resolver's requests count", file: "router/chain.go",
			from: "len(c.proxies) == 0 && f.err == nil", to: "f.err == nil",
			test: "TestAnAddressThatIsRefusedTooOftenCausesNoMoreLookups",
		},
		{
			breaks: "a key that ended in 1970 has ended", file: "registry/apikey/ring.go",
			from: "at != 0 {", to: "true {",
			test: "TestAKeyThatEndedWhenTimeBeganHasEnded",
		},
		{
			breaks: "a reference is not the secret of tokens", file: "router/token/verifier.go",
			from: `cfg.Secret.Resolve("")`, to: `cfg.Secret, nil`,
			test: "TestASecretThatIsReferredToIsReadAndItsNameSignsNothing",
		},
		{
			breaks: "a claim is there once", file: "router/token/strict.go",
			from: "err != nil || names[name] {", to: "err != nil {",
			test: "TestClaimsThatCanBeReadInTwoWaysAreRefused",
		},
		{
			breaks: "nothing follows the claims", file: "router/token/strict.go",
			from: "!errors.Is(err, io.EOF) {", to: "errors.Is(err, io.ErrNoProgress) {",
			test: "TestClaimsThatCanBeReadInTwoWaysAreRefused",
		},
		{
			breaks: "a token of a far future is not valid yet", file: "router/token/strict.go",
			from: "err != nil || at > lastSecond {", to: "err != nil && at < lastSecond {",
			test: "TestClaimsThatCanBeReadInTwoWaysAreRefused",
		},
		{
			breaks: "a key's times can be read by all", file: "registry/control/migrations/00002_keys.sql", pkg: "./registry/control",
			from: "expires_at timestamptz CHECK (expires_at >= '0002-01-01Z' AND expires_at < '10000-01-01Z')", to: "expires_at timestamptz",
			test: "TestATimeOfAKeyIsOneThatCanBeRead",
		},
		{
			breaks: "records are no newer than keys that may be old", file: "registry/control/source.go",
			from: "	if d.recalls() {\n		if err := d.renew(ctx)", to: "	if false {\n		if err := d.renew(ctx)",
			test: "TestAKeyFromBeforeAnOutageDoesNotOpenATenantThatCameMeanwhile",
		},
		{
			breaks: "a clock that is set back makes nothing young", file: "registry/control/source.go",
			from: "max(later.wall.Sub(m.wall), later.at.Sub(m.at))", to: "later.wall.Sub(m.wall)",
			test: "TestRecordsAreNotBelievedForLongerWhenTheClockIsSetBack",
		},
		{
			breaks: "of a text that is taken for an id the secret is not repeated", file: "registry/control/keys.go",
			from: `"%w: %.12q of tenant %q"`, to: `"%w: %.20q of tenant %q"`,
			test: "TestAWholeTextThatIsGivenForAnIDIsNotRepeated",
		},
	}
}
