package apikey_test

import (
	"errors"
	"fmt"
	"time"

	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/apikey"
)

func Example() {
	pepper := apikey.NewPepper() // made once, and kept sealed
	ring := apikey.NewRing()
	ring.Season(pepper)

	text, id := apikey.Generate()
	acme := registry.MustParseID("acme")
	key := apikey.Stored{
		Key:  apikey.Key{ID: id, Tenant: acme, Scope: apikey.ScopeRead},
		Hash: pepper.Hash(text.Reveal(), acme, apikey.ScopeRead),
	}
	ring.Apply([]apikey.Stored{key}, nil)

	found, err := ring.Verify(text.Reveal(), time.Now())
	fmt.Println(found.Tenant, found.Scope, found.Status(time.Now()), err)

	key.RevokedAt = time.Now()
	ring.Apply([]apikey.Stored{key}, nil)
	_, err = ring.Verify(text.Reveal(), time.Now())
	fmt.Println(errors.Is(err, apikey.ErrRevoked))
	// Output:
	// acme read active <nil>
	// true
}
