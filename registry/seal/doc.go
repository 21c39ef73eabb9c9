// Package seal encrypts the secrets of tenants, so that a copy of the control
// database is worth nothing without the keyset, which lies elsewhere.
//
//	keyset, err := seal.Parse(secret) // a Tink keyset as JSON
//	text, err := keyset.Seal(id, "password", password)
//	password, err := keyset.Open(id, "password", text)
//
// A sealed value is bound to the tenant and to the field that it was sealed
// for: moved to another row or column it does not open. It is AES-256-GCM with
// a random nonce, so the same secret never looks the same twice.
//
// # Keys
//
// A keyset is a cleartext Tink keyset in JSON, as [Generate] makes it and as
// Tink's own tool does. It has one primary key, which seals, and any number of
// older ones, which only open. [Rotate] adds a new primary; once every
// program has the new keyset and everything was sealed again ([Keyset.Current]
// says of what it was), the old keys can be removed.
package seal
