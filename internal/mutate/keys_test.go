package mutate_test

import "slices"

const keysSQL = "registry/control/migrations/00002_keys.sql"

// keyMutations break what holds of API keys and of logins for reading.
func keyMutations() []mutation {
	return slices.Concat(ringMutations(), keyFollowMutations(), keyStoreMutations())
}

// ringMutations take a text for a key that it is not.
func ringMutations() []mutation {
	return []mutation{
		{
			breaks: "a key's tenant and scope are hashed with it", file: "registry/apikey/hash.go",
			from: "_, _ = mac.Write(bound[:]) // a hash takes everything", to: "_ = bound",
			test: "TestAStoredKeyCannotBeGivenAnotherTenantOrScope",
		},
		{
			breaks: "the secret counts, and not the id alone", file: "registry/apikey/ring.go",
			from: "	if e == nil || !same {\n", to: "	if e == nil || false && !same {\n",
			test: "TestWhatIsNotWhollyAKeysTextIsUnknown",
		},
		{
			breaks: "a key that was revoked is refused", file: "registry/apikey/ring.go",
			from: "expires: instant(s.ExpiresAt), revoked: instant(s.RevokedAt),\n", to: "expires: instant(s.ExpiresAt),\n",
			test: "TestAKeyEndsWhenItIsSaidTo",
		},
		{
			breaks: "a key ends at its end", file: "registry/apikey/apikey.go",
			from: "!now.Before(k.ExpiresAt)", to: "now.After(k.ExpiresAt)",
			test: "TestAKeyEndsWhenItIsSaidTo",
		},
		{
			breaks: "a key for reading does not write", file: "registry/apikey/ring.go",
			from: "	if e.read {\n", to: "	if false {\n",
			test: "TestATextIsTheKeyItWasMadeFor",
		},
		{
			breaks: "the keys that are loaded are the only ones", file: "registry/apikey/ring.go",
			from: "	for _, e := range r.keys.All() {\n		now[e.id] = nil\n	}\n", to: "",
			test: "TestARingSaysWhatAMapWould",
		},
		{
			breaks: "a use that was not told is told again", file: "registry/apikey/ring.go",
			from: "			e.told.Store(was.told.Load())\n", to: "",
			test: "TestUsesAreTakenOnceTheyWereTold",
		},
		{
			breaks: "no character of a secret is likelier than others", file: "registry/apikey/text.go",
			from: "			if int(b) >= whole {\n				continue\n			}\n", to: "			_ = whole\n",
			test: "TestEveryCharacterIsAsLikelyAsTheOthers",
		},
		{
			breaks: "an id has no capitals", file: "registry/apikey/text.go",
			from: "!made(id, false)", to: "!made(id, true)",
			test: "TestWhatHasNotTheFormIsMalformed",
		},
	}
}

// keyFollowMutations have a replica miss what became of a key.
func keyFollowMutations() []mutation {
	const pkg = "./registry/control"
	return []mutation{
		{
			breaks: "replicas are told of a change of a key", file: keysSQL,
			from: "CREATE TRIGGER keys_tell AFTER INSERT OR UPDATE OR DELETE", to: "CREATE TRIGGER keys_tell AFTER INSERT",
			test: "TestAKeyThroughOneIsKnownToTheOther", pkg: pkg,
		},
		{
			breaks: "a change of a key is a change to look for", file: "registry/control/load.go",
			from: "		(SELECT coalesce(max(version), 0) FROM poolkeeper.keys), ", to: "		",
			test: "TestAKeyThroughOneIsKnownToTheOther",
		},
		{
			breaks: "keys of a tenant that was replaced are gone", file: keysSQL,
			from: "AFTER DELETE ON poolkeeper.keys\n", to: "AFTER TRUNCATE ON poolkeeper.keys\n",
			test: "TestKeysOfADeletedTenantDoNotOpenTheNextOfItsID", pkg: pkg,
		},
		{
			breaks: "replicas take away keys that are gone", file: "registry/control/verify.go",
			from: "d.ring.Apply(r.keys, r.removed)", to: "d.ring.Apply(r.keys, nil)",
			test: "TestKeysOfADeletedTenantDoNotOpenTheNextOfItsID",
		},
		{
			breaks: "keys are read again after a restore", file: "registry/control/verify.go",
			from: "	if all {\n		d.ring.Load(r.keys)\n", to: "	if all {\n		d.ring.Apply(r.keys, nil)\n",
			test: "TestKeysAreReadAgainAfterARestore",
		},
		{
			breaks: "keys that may be old are not believed", file: "registry/control/verify.go",
			from: "	if d.fresh() {\n", to: "	if d.seen.loaded.Load() {\n",
			test: "TestKeysAreNotBelievedForeverWhileTheDatabaseIsAway",
		},
		{
			breaks: "a key that may have been made since is not called unknown", file: "registry/control/verify.go",
			from: "!errors.Is(err, apikey.ErrUnknown) {\n			return k, err", to: "true {\n			return k, err",
			test: "TestKnownKeysAreBelievedAsLongAsTenantsAre",
		},
		{
			breaks: "a flood of guesses shares one question", file: "registry/control/verify.go",
			from: "(!q.answered() || q.err != nil && time.Since(q.at) < retryAfter)", to: "!q.answered()",
			test: "TestAFloodOfUnknownKeysIsAFewQuestions",
		},
		{
			breaks: "keys without their pepper are told from keys that are none", file: "registry/control/verify.go",
			from: "if d.unseasoned.Swap(&err) == nil {", to: "if d.unseasoned.Swap(nil) == nil {",
			test: "TestAPepperThatCannotBeOpenedIsSaidSo",
		},
	}
}

// keyStoreMutations store what must not be, or forget what must not be lost.
func keyStoreMutations() []mutation {
	const pkg = "./registry/control"
	return []mutation{
		{
			breaks: "a revoked key stays revoked", file: keysSQL,
			from: "		NEW.revoked_at := coalesce(OLD.revoked_at, NEW.revoked_at);\n", to: "",
			test: "TestRevokedIsRevokedForGood", pkg: pkg,
		},
		{
			breaks: "a key does not change hands", file: keysSQL,
			from: "(NEW.id, NEW.tenant, NEW.hash) IS DISTINCT FROM (OLD.id, OLD.tenant, OLD.hash)", to: "NEW.id <> OLD.id",
			test: "TestKeysAreGuardedAgainstChangesByHand", pkg: pkg,
		},
		{
			breaks: "a tenant's key is nobody else's to revoke", file: "registry/control/keys.go",
			from: `" WHERE k.id = $1 AND k.tenant = $2"`, to: `" WHERE k.id = $1 AND $2 <> ''"`,
			test: "TestAKeyComesBackAsItWasMade",
		},
		{
			breaks: "a tenant has a bounded number of keys", file: "registry/control/keys.go",
			from: "	if n >= MaxKeys {\n", to: "	if n > MaxKeys {\n",
			test: "TestATenantHasABoundedNumberOfActiveKeys",
		},
		{
			breaks: "the pepper is stored sealed", file: "registry/control/pepper.go",
			from: "	sealed, err = d.keyset.Seal(registry.ID{}, fieldPepper, apikey.NewPepper().Secret())\n",
			to:   "	sealed, err = apikey.NewPepper().Secret().Reveal(), nil\n",
			test: "TestNothingThatIsStoredGivesAKeyAway",
		},
		{
			breaks: "the pepper is sealed again", file: "registry/control/pepper.go",
			from: "sealed == \"\" || d.keyset.Current(sealed)", to: "sealed != \"\"",
			test: "TestARotatedKeysetSealsThePepperAgain",
		},
		{
			breaks: "uses are written at the end", file: "registry/control/database.go",
			from: "		err = d.noteUses(ctx)\n", to: "",
			test: "TestUsesAreWrittenAtTheEnd",
		},
		{
			breaks: "a last use never goes back", file: "registry/control/uses.go",
			from: "SET at = greatest(u.at, excluded.at) WHERE u.at < excluded.at", to: "SET at = excluded.at",
			test: "TestUsesAreWrittenNowAndThenAndNeverGoBack",
		},
		{
			breaks: "a login for reading is nobody's for writing", file: keysSQL,
			from: "			WHERE t.cluster = NEW.cluster AND t.login = NEW.read_login)\n", to: "			WHERE false)\n",
			test: "TestALoginForReadingIsNobodyElses", pkg: pkg,
		},
		{
			breaks: "the password for reading is sealed again", file: "registry/control/reseal.go",
			from: "{fieldReadPassword, &s.read}, ", to: "",
			test: "TestTheLoginForReadingComesBackSealed",
		},
		{
			breaks: "every limit is stored", file: "registry/control/stored.go",
			from: "MaxBody: l.MaxBody, MaxResult: l.MaxResult, CacheFor: l.CacheFor.Milliseconds(),", to: "MaxBody: l.MaxBody, CacheFor: l.CacheFor.Milliseconds(),",
			test: "TestEveryLimitIsStored",
		},
	}
}
