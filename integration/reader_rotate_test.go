package integration_test

import (
	"context"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/control"
)

// verifiers are the passwords of the tenant's two logins as the server has them.
func (p *plane) verifiers(t *testing.T, c *pgx.Conn, r *control.Record) []string {
	t.Helper()
	return p.texts(t.Context(), t, c, "select rolname || ' ' || rolpassword from pg_authid where rolname in ($1, $2) order by 1", r.Login, r.ReadLogin)
}

// A record may name a reader whose making was cut short, or whose role somebody
// has dropped.
func TestARotationMendsAReaderThatIsHalfMade(t *testing.T) {
	t.Parallel()
	p := newPlane(t, nil)
	server := p.super(t)
	for name, breaks := range map[string]func(reader string) []string{
		"gone":     func(reader string) []string { return []string{"drop owned by " + reader, "drop role " + reader} },
		"no-right": func(reader string) []string { return []string{"drop owned by " + reader} },
		"whole":    func(string) []string { return nil },
	} {
		r := p.readable(t, name, registry.IsolationSchema, false)
		for _, sql := range breaks(pgx.Identifier{r.ReadLogin}.Sanitize()) {
			p.exec(t.Context(), t, server, sql)
		}
		before := p.verifiers(t, server, r)
		p.rotated(t, r.ID)
		rotated := p.record(t, r.ID)
		if rotated.Password == r.Password || rotated.ReadPassword == r.ReadPassword {
			t.Errorf("%s: a password is the same as before", name)
		}
		if after := p.verifiers(t, server, r); len(after) != 2 || strings.Join(after, " ") == strings.Join(before, " ") {
			t.Errorf("%s: the server has %d logins, or their old passwords", name, len(after))
		}
		p.works(t, rotated)
		rotated.Login, rotated.Password = rotated.ReadLogin, rotated.ReadPassword
		p.works(t, rotated)
	}
}

// Where the keyset was lost the record knows no password any more.
func TestARotationGivesBothLoginsThePasswordsThatTheRecordHasLost(t *testing.T) {
	t.Parallel()
	p := newPlane(t, nil)
	r := p.readable(t, "acme", registry.IsolationSchema, false)
	if _, err := p.db.Update(t.Context(), r.ID, 0, func(r *control.Record) error {
		r.Password, r.ReadPassword = registry.Secret{}, registry.Secret{}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	p.rotated(t, r.ID)
	rotated := p.record(t, r.ID)
	p.works(t, rotated)
	rotated.Login, rotated.Password = rotated.ReadLogin, rotated.ReadPassword
	p.works(t, rotated)
}

// Whoever an administrator has shut out stays out, and nothing else happens.
func TestARotationThatTheReaderRefusesChangesNothing(t *testing.T) {
	t.Parallel()
	p := newPlane(t, nil)
	server := p.super(t)
	r := p.readable(t, "acme", registry.IsolationSchema, false)
	reader := pgx.Identifier{r.ReadLogin}.Sanitize()
	p.exec(t.Context(), t, server, "alter role "+reader+" nologin")
	before := p.verifiers(t, server, r)
	op, err := p.operator.Rotate(t.Context(), "test", r.ID)
	if err != nil {
		t.Fatal(err)
	}
	if op = p.ended(t, op); op.State != control.Failed || !strings.Contains(op.Error, r.ReadLogin) {
		t.Errorf("the operation is %s: %s", op.State, op.Error)
	}
	if now := p.record(t, r.ID); now.Version != r.Version || !now.NextPassword.IsZero() {
		t.Errorf("the record is of version %d and was of %d", now.Version, r.Version)
	}
	if after := p.verifiers(t, server, r); strings.Join(after, " ") != strings.Join(before, " ") {
		t.Error("the server has another password")
	}
	p.works(t, r)
	p.exec(t.Context(), t, server, "alter role "+reader+" login")
	p.rotated(t, r.ID)
}

// super connects as the superuser, in the database of the tenants.
func (p *plane) super(t *testing.T) *pgx.Conn {
	t.Helper()
	c, err := pgx.Connect(t.Context(), p.setup.Admin)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close(context.WithoutCancel(t.Context())) })
	return c
}
