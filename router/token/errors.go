package token

import "errors"

// Why a token is refused; match them with errors.Is.
var (
	// ErrMalformed is returned for a text that is no token.
	ErrMalformed = errors.New("token: malformed")
	// ErrSignature is returned when no trusted key has signed the token, or
	// not with an algorithm of the list.
	ErrSignature = errors.New("token: signature not trusted")
	// ErrExpired is returned for a token that is not valid any more, or not
	// yet.
	ErrExpired = errors.New("token: not valid at this time")
	// ErrClaims is returned when issuer, audience, tenant or scope are not as
	// they should be.
	ErrClaims = errors.New("token: claims refused")
	// ErrEarlier is returned for a token whose tenant's id was another's before,
	// when it is not certain that it was issued for this one.
	ErrEarlier = errors.New("token: issued before the tenant was made, or says not when")
	// ErrKeys is returned when the issuer's keys cannot be had: none are known,
	// they are too old, or the one that is named may be new.
	ErrKeys = errors.New("token: the issuer's keys are unavailable")
)
