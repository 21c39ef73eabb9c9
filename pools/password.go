package pools

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/poolkeeper/poolkeeper/registry"
)

// A login's password may change while its pool lives. Sessions that are there
// do not notice; a dial that is refused for its password tries the other one
// that the record knows, then what Config.Refresh says, on the same permit.
// Whichever the server takes is what later dials begin with.

// passwords are what an entry may log in with.
type passwords struct {
	// own says that the password is the tenant's, not the cluster's: only then
	// is it tried anew. Never changed.
	own bool

	// mu guards what follows. It is taken alone, and nothing slow happens
	// under it.
	mu     sync.Mutex
	first  registry.Secret // what a dial begins with
	second registry.Secret // what may have replaced it, or zero
	asking *asking         // the call of Refresh that is under way, or nil
}

// asking is one call of Refresh, for all openings that want its answer.
type asking struct {
	done   chan struct{}   // closed when it has ended
	answer registry.Secret // written before; zero when it did not help
}

// init takes the passwords of a record; given is the one that its pool was
// configured with.
func (p *passwords) init(t *registry.Tenant, cluster *cluster, given string) {
	p.own = !t.DSN.IsZero() || t.Login != "" && t.Login != cluster.target.ConnConfig.User
	p.first = registry.NewSecret(given)
	if t.DSN.IsZero() {
		p.second = t.NextPassword
	}
}

// begin is what a dial begins with.
func (p *passwords) begin() registry.Secret {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.first
}

// besides is one that was not refused, if there is any.
func (p *passwords) besides(refused []registry.Secret) (registry.Secret, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range []registry.Secret{p.first, p.second} {
		if !s.IsZero() && !slices.Contains(refused, s) {
			return s, true
		}
	}
	return registry.Secret{}, false
}

// accepted notes the one that the server took, and reports whether it is
// another one than before.
func (p *passwords) accepted(s registry.Secret) (changed bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s == p.first {
		return false
	}
	p.first, p.second = s, p.first
	return true
}

// ask returns the call of Refresh that is under way. Who is told that it is
// theirs makes it, and calls answered.
func (p *passwords) ask() (q *asking, theirs bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.asking != nil {
		return p.asking, false
	}
	p.asking = &asking{done: make(chan struct{})}
	return p.asking, true
}

func (p *passwords) answered(answer registry.Secret) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !answer.IsZero() && answer != p.first {
		p.second = answer
	}
	p.asking.answer = answer
	close(p.asking.done)
	p.asking = nil
}

// tries bounds how many passwords one opening is refused with: the record's
// two, and what Refresh said.
const tries = 3

// wrongPassword tells the server's refusal of a password: 28P01. (28000 says
// that the login may not log in at all, or not from here.)
func wrongPassword(err error) bool {
	pg, ok := errors.AsType[*pgconn.PgError](err)
	return ok && pg.Code == "28P01"
}

// mayHeal reports whether err is a refusal after which the opening tries
// another password: only when none of them is taken it is a failure.
func (e *entry) mayHeal(err error) bool { return e.passwords.own && wrongPassword(err) }

// logIn gives a dial its password.
func (o *opening) logIn(cfg *pgx.ConnConfig) {
	p := &o.entry.passwords
	if !p.own {
		return
	}
	if len(o.refused) == 0 {
		o.password = p.begin()
	}
	cfg.Password = o.password.Reveal()
}

// letIn notes with which password the server let the login in. That another
// one was proven before says nothing any more.
func (e *entry) letIn(with registry.Secret) {
	if !e.passwords.own {
		return
	}
	if before := e.proof(); e.passwords.accepted(with) {
		e.keeper.proven.Delete(before)
		e.proven.Store(false)
	}
}

// redial tries other passwords after the first was refused. When there is no
// other, or none is taken, the first refusal is what became of the opening.
func (o *opening) redial(refusal error) (*session, error) {
	for o.choosePassword() {
		s, err := o.dialInTurn()
		if err == nil || !wrongPassword(err) {
			return s, err
		}
	}
	o.entry.connectFailed(refusal, o.carried)
	return nil, refusal
}

// choosePassword finds one that this opening was not refused with.
func (o *opening) choosePassword() (found bool) {
	e := o.entry
	if o.refused = append(o.refused, o.password); len(o.refused) >= tries {
		return false
	}
	o.password, found = e.passwords.besides(o.refused)
	// Who comes after somebody whose answer did not help does not ask again.
	if !found && !o.asked && e.keeper.cfg.Refresh != nil && !e.keeper.breaker.shut(e.target) {
		o.asked = true
		// The answer may be one that was refused: the server takes it now.
		o.password = e.refresh()
		found = !o.password.IsZero()
	}
	return found
}

// refresh returns what Refresh has answered, whoever called it; zero when that
// does not help.
func (e *entry) refresh() registry.Secret {
	q, mine := e.passwords.ask()
	if !mine {
		<-q.done // within ConnectTimeout
		return q.answer
	}
	k := e.keeper
	ctx, cancel := context.WithTimeout(k.lifetime, k.cfg.ConnectTimeout)
	defer cancel()
	answer, err := k.cfg.Refresh(ctx, e.record.Load())
	if err != nil {
		k.log.Warn("the tenant's password was refused and could not be refreshed",
			"tenant", e.tenant.ID.String(), "cluster", e.tenant.Cluster, "error", err)
		answer = registry.Secret{}
	}
	e.passwords.answered(answer)
	return answer
}
