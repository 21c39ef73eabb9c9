// Package apikey is what API keys are: their text, what is stored of them, and
// the set in memory that answers which key a text is.
//
//	text, id, err := apikey.Generate()      // shown once
//	hash := pepper.Hash(text.Reveal(), tenant, scope) // stored, together with id
//	ring.Apply([]apikey.Stored{{Key: key, Hash: hash}}, nil)
//	key, err := ring.Verify(text.Reveal(), time.Now())
//
// # Text
//
// A text is "pk_", an id of 12 characters, "_" and a secret of 32. The id is
// public: it names the key in lists and logs. The secret has 190 bits, so that
// nobody can guess one and a fast hash is enough. All characters are those of
// URLs, so a text can be the password of a connection string as it is.
//
// # Hash
//
// What is stored is HMAC-SHA-256 of the whole text, the tenant and the scope
// under a [Pepper], 32 random bytes that lie elsewhere, or sealed. Who has the hashes alone cannot even
// tell whether a text that was found somewhere is one of the keys.
//
// # Ring
//
// A [Ring] is read without a lock by any number of callers, and changed by one
// at a time. Whatever text it is asked for, it does the same work: a hash, a
// look, and a comparison in constant time. How long it took tells nobody
// whether an id exists.
package apikey
