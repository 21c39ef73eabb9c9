package mutate_test

// frontMutations break what holds where clients come in.
func frontMutations() []mutation {
	return []mutation{
		{
			breaks: "a renewed certificate is noticed", file: "server/tls.go",
			from: "	if err != nil || now.equal(held) {\n", to: "	if err != nil || !now.equal(held) {\n",
			test: "TestARenewedCertificateIsUsedWithoutARestart",
		},
		{
			breaks: "a broken pair leaves the last good one", file: "server/tls.go",
			from: "	if next != nil {\n		f.current", to: "	if next != nil || err != nil {\n		f.current",
			test: "TestABrokenPairLeavesTheLastGoodOneAndIsLoggedOnce",
		},
		{
			breaks: "the admin listener wants a certificate of its authority's", file: "server/tls.go",
			from: "tls.RequireAndVerifyClientCert", to: "tls.RequestClientCert",
			test: "TestTheAdminListenerKnowsOperatorsByTheirCertificates",
		},
		{
			breaks: "a page in an operator's browser is not the operator", file: "server/tls.go",
			from: " ||\n		http.NewCrossOriginProtection().Check(r) != nil {\n", to: " {\n",
			test: "TestTheAdminListenerKnowsOperatorsByTheirCertificates",
		},
		{
			breaks: "an old TLS is refused", file: "server/tls.go",
			from: "Certificates: []tls.Certificate{pair}, MinVersion: minVersion,", to: "Certificates: []tls.Certificate{pair}, MinVersion: minVersion - 1,",
			test: "TestAnOldTLSIsRefused",
		},
		{
			breaks: "a client has so many streams and no more", file: "server/run.go",
			from: "	maxStreams = 250\n", to: "	maxStreams = 1000\n",
			test: "TestAClientMayHaveSoManyStreamsAndNoMore",
		},
		{
			breaks: "a tenant's own size lies below that for all", file: "server/request.go",
			from: "	return min(own, ceiling)\n", to: "	return own\n",
			test: "TestATenantsOwnSizesLieBelowThoseForAll",
		},
		{
			breaks: "a client may send all of a body that is too large", file: "server/request.go",
			from: "r.ContentLength <= hearMost && r.Header", to: "r.ContentLength > hearMost && r.Header",
			test: "TestABodyThatIsTooLargeIsTakenSoThatTheAnswerIsRead",
		},
		{
			breaks: "nobody waits for a body that does not come", file: "server/request.go",
			from: " && r.Header.Get(\"Expect\") == \"\" {\n", to: " {\n",
			test: "TestABodyThatIsTooLargeIsRefusedAtOnceWhenNoneOfItComes",
		},
		{
			breaks: "an error under a statement timeout is no departure", file: "server/request.go",
			from: "		if ctx.Err() == nil {\n			c.Request = request", to: "		if ctx.Err() != nil {\n			c.Request = request",
			test: "TestTheStatusTableOverHTTP",
		},
		{
			breaks: "who may only read needs a login that can only read", file: "server/sql.go",
			from: "	if visit.ReadOnly() && visit.Tenant().ReadLogin == \"\" {\n", to: "	if visit.ReadOnly() && visit.Tenant().Login == \"\" {\n",
			test: "TestTheStatusTableOverHTTP",
		},
		{
			breaks: "the log says whose key it was", file: "server/sql.go",
			from: "	t.tenant, t.key = visit.Tenant().ID, visit.KeyID()\n", to: "	t.tenant = visit.Tenant().ID\n",
			test: "TestTheLogHasThePublicIDOfTheKeyAndNotItsText",
		},
		{
			breaks: "a credential that a panic repeats is hidden", file: "server/recover.go",
			from: "redacted(c.Request, fmt.Sprint(value))", to: "fmt.Sprint(value)",
			test: "TestACredentialThatAPanicOrAnErrorRepeatsIsHidden",
		},
		{
			breaks: "the rest of a slow reader's stream is cut", file: "server/pace.go",
			from: "	_ = w.control.SetWriteDeadline(now.Add(w.timeout))", to: "	_ = w.control.SetWriteDeadline(now.Add(100 * w.timeout))",
			test: "TestAReaderOfHTTP2ThatStopsReadingIsCutAndItsConnectionFreed",
		},
		{
			breaks: "what is kept was read by a read-only transaction", file: "server/cached.go",
			from: "sqlwire.TxOptions{ReadOnly: true}", to: "sqlwire.TxOptions{}",
			test: "TestAReadIsAnsweredFromTheCacheWhereClientAndTenantAllowIt", pkg: "./integration",
		},
		{
			breaks: "a kept answer has the form that was asked for", file: "server/cached.go",
			from: "strconv.FormatBool(j.options.RawText) + strconv.FormatBool(array)", to: "strconv.FormatBool(j.options.RawText) + strconv.FormatBool(!array && array)",
			test: "TestAReadIsAnsweredFromTheCacheWhereClientAndTenantAllowIt", pkg: "./integration",
		},
	}
}
