// Package token verifies JSON Web Tokens (RFC 7519) and reads from them whose
// request it is.
//
//	v, err := token.New(cfg, log)
//	defer v.Close()
//	t, err := v.Verify(ctx, text) // t.Tenant, t.ReadOnly, t.Claims
//
// # What is believed
//
// A token counts when all of this holds:
//
//   - its algorithm is on the list of the configuration; none never is;
//   - a key that the issuer published (a JWK set, by URL or file) or the shared
//     secret has signed it. HS256 goes with the secret alone and the other
//     algorithms with published keys alone, so that a public key can never
//     serve as a secret. Keys that a token brings along are not looked at;
//   - issuer and audience are those of the configuration, it has an expiry,
//     and now is between its times, give or take the leeway;
//   - the claim that names the tenant is there and is a tenant's id;
//   - no claim is there twice, and nothing follows the claims.
//
// Whether a token was issued for the tenant that has the id now, or for one that
// had it before, is for package router to say: it knows the record, and the token
// says when it was issued.
//
// # Keys that change
//
// The set is read again every Config.Refresh, and at once when a token names a
// key that is not in it, though not more often than every ten seconds: whoever
// invents names causes few questions, and those whose key is known never wait.
// While the issuer cannot be reached the last good set goes on counting, for
// Config.KeepFor; after that, and before the first set, [ErrKeys] says that
// nobody can tell.
//
// # What is done with the claims
//
// All claims are handed to the program that embeds this, for its own trusted
// SQL and its row policies. PostgreSQL has no setting that SQL cannot change,
// so SQL from clients is never held by them: there a wall of the tenant's own
// login does that.
package token
