package mutate_test

// hungryMutations let a tenant have more of the gateway than its limits say, or
// an answer be older than was asked for.
func hungryMutations() []mutation {
	return []mutation{
		{
			breaks: "a batch is not sent while PostgreSQL may be writing rows", file: "server/sqlwire/execute.go",
			from: `if i > 0 && size > atOnce {`, to: `if i > 0 && size > 1<<30 {`,
			test: "TestABatchIsNotReadBeforeItIsSent",
		},
		{
			breaks: "a batch in portions is one transaction", file: "server/sqlwire/execute.go",
			from: "	if !begun {\n		batch.ExecParams(", to: "	if begun {\n		batch.ExecParams(",
			test: "TestABatchCommitsAsOne",
		},
		{
			breaks: "a row is measured as JSON", file: "server/sqlwire/execute.go",
			from: `if a.maxBytes > 0 && rows.exceeds(`, to: `if a.maxBytes < 0 && rows.exceeds(`,
			test: "TestARowIsMeasuredAsJSONBeforeItIsWritten",
		},
		{
			breaks: "no more is counted than a row has as JSON", file: "server/sqlwire/length.go",
			from: `n += max(0, escaped(text)-maxBounds)`, to: `n += 2 * escaped(text)`,
			test: "TestARowIsMeasuredAsJSONBeforeItIsWritten",
		},
		{
			breaks: "a stream's row is measured as JSON", file: "server/sqlwire/stream.go",
			from: `if large = rows.exceeds(result.Values(), int(maxRow)); large {`, to: `if large = rows.exceeds(result.Values(), 1<<40); large {`,
			test: "TestAStreamsRowIsMeasuredAsJSONBeforeItIsWritten",
		},
		{
			breaks: "a stream's row is no greater than the tenant's answers", file: "server/stream.go",
			from: "	row := narrower(visit.Tenant().Limits.MaxResult, s.cfg.SQL.MaxResult)\n", to: "	row := s.cfg.SQL.MaxResult\n",
			test: "TestARowOfAStreamIsNoGreaterThanAnAnswerMayBe",
		},
		{
			breaks: "a batch has so many parameters", file: "server/sqlwire/param.go",
			from: "d.given > maxTogether {", to: "d.given > 2*maxTogether {",
			test: "TestABatchHasSoManyParametersAndNoMore",
		},
		{
			breaks: "one request does not end a connection of HTTP/2", file: "server/refuse.go",
			from: "	if c.Request.ProtoMajor == 1 {\n", to: "	if c.Request.ProtoMajor > 0 {\n",
			test: "TestABodyThatIsTooLargeEndsItsStreamAndNotTheConnection",
		},
		{
			breaks: "a request is under way until its answer is written", file: "server/answer.go",
			from: "	visit.Release()\n", to: "	visit.Close()\n",
			test: "TestARequestIsUnderWayUntilItsAnswerIsWritten",
		},
		{
			breaks: "a lease that was given back is not the visit's any more", file: "router/visit.go",
			from: "	lease := v.lease\n	v.lease = nil\n", to: "	lease := v.lease\n",
			test: "TestAVisitThatGaveItsLeaseBackTakesAnotherAndStillCounts",
		},
		{
			breaks: "nobody waits for an answer that is too old", file: "server/readcache/do.go",
			from: `case fl.entry.read.Before(oldest):`, to: `case oldest.IsZero():`,
			test: "TestNobodyWaitsForAnAnswerThatIsTooOld",
		},
		{
			breaks: "nothing is taken from Redis before it is known since when", file: "server/readcache/do.go",
			from: `c.generations.of(ctx, k.tenant.Tenant()); !certain {`, to: `c.generations.of(ctx, k.tenant.Tenant()); !certain && k.generation != 0 {`,
			test: "TestNothingIsTakenFromRedisBeforeItIsKnownSinceWhen",
		},
	}
}
