package onboard

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/poolkeeper/poolkeeper/registry"
)

// roleSettings gives a login of the tenant's own its CONNECTION LIMIT, and its
// search_path and statement_timeout, so that they also hold for whoever logs
// in by hand.
func (p *Provisioner) roleSettings(ctx context.Context, a *admin, pl *plan) error {
	if pl.shared {
		return nil
	}
	return again(ctx, func() error {
		statements, err := p.loginChanges(ctx, a, pl, pl.login)
		if err != nil || len(statements) == 0 {
			return err
		}
		return a.exec(ctx, "", statements...)
	})
}

// loginChanges lists what makes the login's limit and settings the tenant's.
// It is still called now.
func (p *Provisioner) loginChanges(ctx context.Context, a *admin, pl *plan, now string) ([]string, error) {
	r, err := a.look(ctx, now)
	if err != nil {
		return nil, err
	}
	have, err := a.settings(ctx, now)
	if err != nil {
		return nil, err
	}
	want := map[string]string{"search_path": quote(pl.schema)}
	if limit := pl.tenant.Limits.StatementTimeout; limit > 0 {
		want["statement_timeout"] = fmt.Sprintf("%dms", limit.Milliseconds())
	}
	return append(p.limitChange(pl, r.limit), settingChanges(pl.login, want, have)...), nil
}

// settings are those of the role, for every database.
func (a *admin) settings(ctx context.Context, role string) (have []string, err error) {
	const query = "select coalesce(setconfig, '{}') from pg_db_role_setting where setdatabase = 0 and setrole = (select oid from pg_roles where rolname = $1)"
	_, err = one(a.Query(ctx, query, role))(&have)
	return have, err
}

// limitChange is the statement that makes the limit of connections the one
// that is wanted, or none.
func (p *Provisioner) limitChange(pl *plan, have int) []string {
	want := p.connectionLimit(pl)
	if want == 0 || want == have {
		return nil
	}
	return []string{"ALTER ROLE " + quote(pl.login) + " CONNECTION LIMIT " + strconv.Itoa(want)}
}

// connectionLimit is how many sessions the tenant's own login may have: every
// replica may have a pool that drains beside the one that follows it, and
// somebody tries the connection, or looks by hand. 0 is no limit.
func (p *Provisioner) connectionLimit(pl *plan) int {
	const besides = 3
	conns := cmp.Or(pl.tenant.Limits.MaxConns, p.cfg.MaxConns)
	if conns == 0 || pl.shared {
		return 0
	}
	return 2*conns*max(1, p.clusters[pl.tenant.Cluster].Replicas) + besides
}

// LimitConnections gives the tenant's own login, and its reader, the CONNECTION
// LIMIT that follows from its limits: twice its most connections (two pools live
// side by side while one drains) for each of the cluster's replicas, and 3 for a
// trial and for whoever looks by hand; none where no most connections are
// configured. It gives them the statement_timeout of the limits as well, beside
// the search_path that they have. It changes nothing else, and nothing for a
// login that several tenants share or a database of somebody else. A login that
// is not the tenant's is ErrConflict.
func (p *Provisioner) LimitConnections(ctx context.Context, t *registry.Tenant) error {
	return p.bounded(ctx, t, func(ctx context.Context) error {
		pl, err := p.plan(t)
		if err != nil || pl.foreign || pl.shared {
			return err
		}
		return p.at(ctx, pl, pl.adminDatabase, func(home *admin) error {
			if err := steps(ctx, home, pl, []work{{"connection limit", p.limit}}); err != nil || t.ReadLogin == "" {
				return err
			}
			return steps(ctx, home, pl.reading(), []work{{"connection limit of the reader", p.limitReader}})
		})
	})
}

func (p *Provisioner) limit(ctx context.Context, a *admin, pl *plan) error {
	return again(ctx, func() error {
		if _, err := a.ownLogin(ctx, pl); err != nil {
			return err
		}
		statements, err := p.loginChanges(ctx, a, pl, pl.login)
		if err != nil || len(statements) == 0 {
			return err
		}
		return a.exec(ctx, "", statements...)
	})
}

// ownLogin reads the tenant's own login, and refuses another's.
func (a *admin) ownLogin(ctx context.Context, pl *plan) (role, error) {
	r, err := a.look(ctx, pl.login)
	switch {
	case err != nil:
		return r, err
	case !r.exists:
		return r, refuse(ErrConflict, "the login %s does not exist; provision the tenant", pl.login)
	}
	r.hasOrphan = false // to be taken over by Provision only
	if err := r.belongs(pl.login, pl.comment(pl.kind)); err != nil {
		return r, err
	}
	return r, a.keep(ctx, pl.login, r, r.comment, true)
}

// settingChanges lists what makes the settings of a role those that are
// wanted, and no others.
func settingChanges(login string, want map[string]string, have []string) []string {
	var changes []string
	alter := "ALTER ROLE " + quote(login)
	has := map[string]string{}
	for _, setting := range have {
		name, value, _ := strings.Cut(setting, "=")
		has[name] = value
	}
	for _, name := range []string{"search_path", "statement_timeout"} {
		value, wanted := want[name]
		old, set := has[name]
		switch {
		case wanted && sameSetting(old, value):
		case wanted && name == "search_path":
			changes = append(changes, alter+" SET search_path = "+value)
		case wanted:
			changes = append(changes, alter+" SET "+name+" = '"+value+"'")
		case set:
			changes = append(changes, alter+" RESET "+name)
		}
	}
	return changes
}

// sameSetting compares a stored value with a wanted one: the server quotes
// identifiers only where it must.
func sameSetting(stored, wanted string) bool {
	return stored == wanted || quote(stored) == wanted
}
