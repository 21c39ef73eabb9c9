package router

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/poolkeeper/poolkeeper/pools"
	"github.com/poolkeeper/poolkeeper/router/admission"
	"github.com/poolkeeper/poolkeeper/router/pgreport"
)

// What the rows of the table ask of an error, and take from it.

// is matches an error that is one of the targets.
func is(targets ...error) func(error) bool {
	return func(err error) bool {
		for _, target := range targets {
			if errors.Is(err, target) {
				return true
			}
		}
		return false
	}
}

// inPlace matches a refusal of a tenant that was named by host or path.
func inPlace(err error) bool {
	var r *refusal
	return errors.As(err, &r) && r.place
}

// pgError returns PostgreSQL's report, nil when there is none.
func pgError(err error) *pgconn.PgError {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return nil
	}
	return pg
}

func isPG(err error) bool { return pgError(err) != nil }

// sqlstate matches one SQLSTATE.
func sqlstate(code string) func(error) bool {
	return func(err error) bool {
		pg := pgError(err)
		return pg != nil && pg.Code == code
	}
}

// serverGone matches what the server says when it ends or refuses a session
// for reasons that are not the statement's: 57P01 to 57P05, class 08, and the
// refusal of our own login.
func serverGone(err error) bool {
	pg := pgError(err)
	switch {
	case pg == nil:
		return false
	case pg.Code == "08P01":
		return pg.Severity == "FATAL"
	default:
		return strings.HasPrefix(pg.Code, "08") || strings.HasPrefix(pg.Code, "57P0") || pg.Code == "28P01"
	}
}

func bodyTooLarge(err error) bool {
	var tooLarge *http.MaxBytesError
	return errors.As(err, &tooLarge)
}

// fillPG shows PostgreSQL's report, as much of it as fits an answer.
func fillPG(p *Problem, err error) {
	p.PG = pgreport.Clip(pgError(err))
	p.Code, p.Detail = p.PG.Code, p.PG.Message
}

// fillCode shows the SQLSTATE alone: the message speaks of our login and of
// the server.
func fillCode(p *Problem, err error) { p.Code = pgError(err).Code }

// fillOutage takes the time after which the keeper tries again, and the
// SQLSTATE when it was PostgreSQL that refused the connection.
func fillOutage(p *Problem, err error) {
	if isPG(err) {
		fillCode(p, err)
	}
	var down *pools.DatabaseError
	if errors.As(err, &down) && down.RetryAfter > 0 {
		p.RetryAfter = down.RetryAfter
	}
}

// fillWall shows what stands behind ErrNotWalled's own text, which is written
// for the client: it says what to change. It becomes a sentence.
func fillWall(p *Problem, err error) {
	_, why, _ := strings.Cut(err.Error(), pools.ErrNotWalled.Error()+": ")
	if first, size := utf8.DecodeRuneInString(why); size > 0 {
		p.Detail = pgreport.Text(string(unicode.ToUpper(first)) + why[size:] + ".")
	}
}

// preparing tells those whose deadline passed from those who went away.
func preparing(err error) bool {
	return errors.Is(err, pools.ErrPreparing) && !errors.Is(err, context.Canceled)
}

// fillProbing takes the time after which the address may ask again.
func fillProbing(p *Problem, err error) {
	if limited, ok := errors.AsType[*probing](err); ok {
		p.RetryAfter = limited.wait
	}
}

// fillQuota takes what admission says of the tenant's limits.
func fillQuota(p *Problem, err error) {
	var r *admission.Refusal
	if !errors.As(err, &r) {
		return
	}
	if r.RetryAfter > 0 {
		p.RetryAfter = r.RetryAfter
	}
	h := http.Header{}
	r.Header(h)
	p.RateLimit, p.RateLimitPolicy = h.Get(rateLimit), h.Get(rateLimitPolicy)
}
