package integration_test

import (
	"strings"
	"testing"

	"github.com/poolkeeper/poolkeeper/onboard/lifecycle"
	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/control"
)

func TestACloneHasTheRowsAndNothingElseInCommon(t *testing.T) {
	t.Parallel()
	for _, isolation := range []registry.Isolation{registry.IsolationSchema, registry.IsolationDatabase} {
		t.Run(string(isolation), func(t *testing.T) {
			t.Parallel()
			p := newPlane(t, nil)
			from := p.add(t, "from", isolation)
			c, err := p.connect(t, from)
			if err != nil {
				t.Fatal(err)
			}
			p.exec(t.Context(), t, c, "INSERT INTO items (id, owner) VALUES (2, 'copied')")
			_ = c.Close(t.Context())
			for name, data := range map[string]bool{"with": true, "without": false} {
				op, err := p.operator.Clone(t.Context(), "test", from.ID, lifecycle.Spec{Tenant: registry.Tenant{ID: p.id(name)}}, data)
				p.done(t, op, err)
				to := p.record(t, p.id(name))
				c, err := p.connect(t, to)
				if err != nil {
					t.Fatal(err)
				}
				var n int
				if err := c.QueryRow(t.Context(), "select count(*) from items where owner = 'copied'").Scan(&n); err != nil || (n == 1) != data {
					t.Errorf("%s rows there are %d, %v", name, n, err)
				}
				if _, err := c.Exec(t.Context(), "select * from "+from.Schema+".items"); isolation == registry.IsolationSchema && err == nil {
					t.Error("the clone reads the rows of the other")
				}
				_ = c.Close(t.Context())
				if to.Password == from.Password || to.Login == from.Login {
					t.Error("the clone has the other's login or password")
				}
			}
			p.has(t, from, 2)
		})
	}
}

func TestANewTenantIsCopiedFromTheTemplate(t *testing.T) {
	t.Parallel()
	p := newPlane(t, func(s *planeSetup) { s.Template = "template" })
	template := p.add(t, "template", registry.IsolationSchema)
	c, err := p.connect(t, template)
	if err != nil {
		t.Fatal(err)
	}
	p.exec(t.Context(), t, c, "INSERT INTO items (id, owner) VALUES (2, 'example')")
	_ = c.Close(t.Context())
	p.has(t, p.add(t, "fresh", registry.IsolationSchema), 2)
}

func TestWithoutTheTemplateNobodyIsMadeEmpty(t *testing.T) {
	t.Parallel()
	p := newPlane(t, func(s *planeSetup) { s.Template = "missing" })
	op, err := p.operator.Add(t.Context(), "test", lifecycle.Spec{Tenant: registry.Tenant{ID: p.id("empty")}})
	if err != nil {
		t.Fatal(err)
	}
	if op = p.ended(t, op); op.State != control.Failed || !strings.Contains(op.Error, "onboard.template") {
		t.Errorf("it ended as %s: %s", op.State, op.Error)
	}
	if r := p.record(t, p.id("empty")); r.Status != registry.StatusPending {
		t.Errorf("the tenant is %s", r.Status)
	}
	p.has(t, p.add(t, "missing", registry.IsolationSchema), 1)
	op, err = p.operator.Provision(t.Context(), "test", p.id("empty"))
	p.done(t, op, err)
	p.has(t, p.record(t, p.id("empty")), 1)
}
