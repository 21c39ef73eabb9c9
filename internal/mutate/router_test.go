package mutate_test

import "slices"

// routerMutations break what holds at the front door.
func routerMutations() []mutation {
	return slices.Concat(credentialMutations(), grantMutations(), probeMutations(), answerMutations())
}

// credentialMutations let somebody in who does not belong.
func credentialMutations() []mutation {
	return []mutation{
		{
			breaks: "an address in a connection string names nobody", file: "router/resolve_neon.go",
			from: "errors.Is(err, errAddress) && isLiteral(c.host)", to: "errors.Is(err, errAddress) && isLiteral(name)",
			test: "TestAKeyNeedsNoTenantInItsConnectionStringsHost",
		},
		{
			breaks: "what may be a name in a connection string is no address", file: "router/resolve_neon.go",
			from: "errors.Is(err, errAddress) && isLiteral(c.host)", to: "errors.Is(err, errAddress)",
			test: "TestAKeyNeedsNoTenantInItsConnectionStringsHost",
		},
		{
			breaks: "all that a request names is one tenant", file: "router/finding.go",
			from: "	case f.id != id:\n", to: "	case false:\n",
			test: "TestACredentialOfOneTenantNeverServesAnother",
		},
		{
			breaks: "a token of the tenant before is a refusal", file: "router/verify.go",
			from: "!t.Since.IsZero() && g.issued.Before(t.Since)", to: "!t.Since.IsZero() && g.issued.Add(time.Minute).Before(t.Since)",
			test: "TestATokenIsNotGoodForALaterTenantOfTheSameID",
		},
		{
			breaks: "a visit does not reach the tenant after", file: "router/visit.go",
			from: "	return now != 0 && now != v.tenant.Born\n", to: "	return now == 0\n",
			test: "TestAVisitDoesNotReachATenantThatHasTheIDByNow",
		},
		{
			breaks: "a tenant that is added anew is another", file: "registry/store.go",
			from: "		t.Born = next\n", to: "		t.Born = 1\n",
			test: "TestStaticIsASource",
		},
		{
			breaks: "dev mode is not for pages of other sites", file: "router/chain.go",
			from: "c.dev && !isForeignPage(req) || w.open", to: "c.dev || w.open",
			test: "TestInDevModeAPageOfAnotherSiteIsNotBelieved",
		},
		{
			breaks: "a bad key is a refusal", file: "router/verify.go",
			from: "	key, err := v.keys.Key(ctx, text)\n	if err != nil {\n		f.refuse(w, credentialError(err))\n", to: "	key, err := v.keys.Key(ctx, text)\n	if err != nil {\n",
			test: "TestACredentialIsGoodOrARefusalWhereverItStands",
		},
		{
			breaks: "a bad token is a refusal", file: "router/verify.go",
			from: "	t, err := v.tokens.Verify(ctx, text)\n	if err != nil {\n		f.refuse(w, credentialError(err))\n", to: "	t, err := v.tokens.Verify(ctx, text)\n	if err != nil {\n",
			test: "TestACredentialIsGoodOrARefusalWhereverItStands",
		},
		{
			breaks: "what cannot be a credential is a refusal", file: "router/verify.go",
			from: "	if shown.err != nil {\n", to: "	if false {\n",
			test: "TestACredentialIsGoodOrARefusalWhereverItStands",
		},
		{
			breaks: "another scheme is a refusal", file: "router/credential.go",
			from: `if !strings.EqualFold(scheme, "Bearer") {`, to: `if scheme == "" {`,
			test: "TestACredentialIsGoodOrARefusalWhereverItStands",
		},
		{
			breaks: "an empty credential is a refusal", file: "router/credential.go",
			from: `	case text == "":`, to: `	case false:`,
			test: "TestACredentialIsGoodOrARefusalWhereverItStands",
		},
		{
			breaks: "a header that is there twice is a refusal", file: "router/credential.go",
			from: "		c.take(strings.TrimLeft(text, \" \"))\n	default:\n		c.err = ErrCredential\n", to: "		c.take(strings.TrimLeft(text, \" \"))\n	default:\n",
			test: "TestACredentialIsGoodOrARefusalWhereverItStands",
		},
		{
			breaks: "one credential of a kind is all that a request may show", file: "router/credential.go",
			from: `	case *slot != text && c.err == nil:`, to: `	case false:`,
			test: "TestACredentialIsGoodOrARefusalWhereverItStands",
		},
		{
			breaks: "a kind that is not listed is a refusal", file: "router/verify.go",
			from: `if shown.key != "" || shown.token != "" {`, to: `if false {`,
			test: "TestAKindOfCredentialThatIsNotListedIsNoGood",
		},
		{
			breaks: "a connection string's password is a credential", file: "router/credential.go",
			from: `text == "" || dev && !strings.HasPrefix(text, keyPrefix)`, to: `text == "" || !strings.HasPrefix(text, keyPrefix)`,
			test: "TestACredentialIsGoodOrARefusalWhereverItStands",
		},
		{
			breaks: "a key counts in dev mode too", file: "router/credential.go",
			from: `text == "" || dev && !strings.HasPrefix(text, keyPrefix)`, to: `text == "" || dev`,
			test: "TestInDevModeOnlyAConnectionStringsPasswordMayBeNoCredential",
		},
		{
			breaks: "a credential of nobody is a refusal", file: "router/verify.go",
			from: `if id.IsZero() || id.IsReader() {`, to: `if false {`,
			test: "TestACredentialOfAReaderOrOfNobodyIsRefused",
		},
		{
			breaks: "the order of the resolvers is that of trust", file: "router/config.go",
			from: `	return c.checkOrder()`, to: `	return nil`,
			test: "TestAMistakeInTheConfigurationIsNamedWithWhatWouldBeRight",
		},
	}
}

// grantMutations let a credential do more than it may.
func grantMutations() []mutation {
	return []mutation{
		{
			breaks: "who may only read gets the reader's pool", file: "router/visit.go",
			from: "	if v.grant.readOnly {\n", to: "	if false {\n",
			test: "TestACredentialThatMayOnlyReadLeasesTheReader",
		},
		{
			breaks: "of two credentials the weaker one counts", file: "router/verify.go",
			from: `f.grant.readOnly = f.grant.readOnly || readOnly`, to: `f.grant.readOnly = readOnly`,
			test: "TestACredentialThatMayOnlyReadLeasesTheReader",
		},
		{
			breaks: "an unknown scope may not write", file: "router/verify.go",
			from: `key.Scope != apikey.ScopeWrite`, to: `key.Scope == apikey.ScopeRead`,
			test: "TestAScopeThatIsNotKnownMayOnlyRead",
		},
		{
			breaks: "a request that has ended is under way no longer", file: "router/visit.go",
			from: "		v.pass.Release()\n", to: ``,
			test: "TestARequestIsUnderWayUntilItsVisitIsClosedAndNoLonger",
		},
	}
}

// probeMutations let somebody look around.
func probeMutations() []mutation {
	return []mutation{
		{
			breaks: "nothing is looked up for an address over its limit", file: "router/router.go",
			from: `if err := r.probes.check(site); err != nil {`, to: `if err := r.probes.check(site); false && err != nil {`,
			test: "TestAnAddressThatIsRefusedTooOftenCausesNoMoreLookups",
		},
		{
			breaks: "a suspended tenant counts like an unknown one", file: "router/probes.go",
			from: ` || errors.Is(err, registry.ErrInactive)`, to: ``,
			test: "TestEveryRefusalCountsTheSame",
		},
		{
			breaks: "a credential that disagrees vouches for nothing", file: "router/finding.go",
			from: `return f.err == nil && f.vouched != nil`, to: `return f.vouched != nil`,
			test: "TestEveryRefusalCountsTheSame",
		},
		{
			breaks: "a verified credential passes a limited address", file: "router/router.go",
			from: `if r.probes == nil || f.proven() ||`, to: `if r.probes == nil ||`,
			test: "TestAVerifiedCredentialPassesThoughItsAddressIsLimited",
		},
		{
			breaks: "what is remembered of addresses is bounded", file: "router/probes.go",
			from: `const maxSites = 1 << 13`, to: `const maxSites = 1 << 20`,
			test: "TestAFloodOfUnknownTenantsFromEverywhereTakesBoundedMemory",
		},
		{
			breaks: "who goes on asking is not forgotten", file: "router/probes.go",
			from: `p.sites.Get(site)`, to: `p.sites.Peek(site)`,
			test: "TestAFloodDoesNotMakeALimitedAddressForgotten",
		},
		{
			breaks: "a network of IPv6 is one client", file: "router/client.go",
			from: `const siteBits = 64`, to: `const siteBits = 128`,
			test: "TestOnlyTheAddressItselfIsLimited",
		},
		{
			breaks: "the last of X-Forwarded-For that is no proxy is the client", file: "router/client.go",
			from: `range slices.Backward(lines)`, to: `range slices.All(lines)`,
			test: "TestARequestCountsForWhoSentItAndNotForAProxy",
		},
		{
			breaks: "a client's own X-Forwarded-For does not count", file: "router/client.go",
			from: `if p.contain(client) {`, to: `if len(req.Header[forwardedFor]) > 0 {`,
			test: "TestARequestCountsForWhoSentItAndNotForAProxy",
		},
	}
}

// answerMutations tell somebody what is not for them.
func answerMutations() []mutation {
	return []mutation{
		{
			breaks: "an error has nothing of the credential", file: "router/verify.go",
			from: `return fmt.Errorf("%w: %w", ErrCredential, reason)`, to: `return fmt.Errorf("%w: %w", ErrCredential, err)`,
			test: "TestTheReasonWhyACredentialIsBadIsInTheError",
		},
		{
			breaks: "an API's host gives every refusal the same status", file: "router/finding.go",
			from: `f.first == nil && f.reserved != nil && f.authenticated:`, to: `f.first == nil && f.reserved != nil && false:`,
			test: "TestAtAReservedHostARefusalAsksForACredential",
		},
		{
			breaks: "a tenant that vanished leaves no header", file: "router/problem_write.go",
			from: `if p.Code == codeRefused {`, to: `if false {`,
			test: "TestATenantThatVanishesLeavesNothingInTheHeaders",
		},
		{
			breaks: "a suspended tenant is refused as fast as an unknown one", file: "router/router.go",
			from: "	if errors.Is(err, registry.ErrUnknown) || errors.Is(err, registry.ErrInactive) {\n",
			to:   "	for i := 0; i < 1000 && errors.Is(err, registry.ErrInactive); i++ {\n		_ = i\n	}\n	if errors.Is(err, registry.ErrUnknown) || errors.Is(err, registry.ErrInactive) {\n",
			test: "TestASuspendedTenantIsRefusedAsFastAsAnUnknownOne",
		},
		{
			breaks: "the tenant's rate is on good answers", file: "router/middleware.go",
			from: "		v.Header(w.Header())\n", to: ``,
			test: "TestATenantsRateIsOnEveryAnswerAndEndsIn429",
		},
		{
			breaks: "the tenant's rate is on good answers in Gin", file: "router/gin.go",
			from: "		v.Header(c.Writer.Header())\n", to: ``,
			test: "TestATenantsRateIsOnEveryAnswerAndEndsIn429",
		},
	}
}
