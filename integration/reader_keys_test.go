package integration_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/poolkeeper/poolkeeper/onboard/lifecycle"
	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/apikey"
	"github.com/poolkeeper/poolkeeper/registry/control"
)

func TestAReadOnlyKeyMakesTheReaderFirst(t *testing.T) {
	t.Parallel()
	p := newPlane(t, nil)
	k := p.keeper(t, nil)
	r := p.add(t, "acme", registry.IsolationSchema)
	if _, key, err := p.operator.CreateKey(t.Context(), "ann", control.NewKey{Tenant: r.ID, Name: "writes", Scope: apikey.ScopeWrite}); err != nil || key.Scope != apikey.ScopeWrite {
		t.Fatalf("%+v, %v", key, err)
	}
	if p.record(t, r.ID).ReadLogin != "" {
		t.Error("a key that writes made a reader")
	}
	var made registry.Secret
	for range 2 {
		text, key, err := p.operator.CreateKey(t.Context(), "ann", control.NewKey{Tenant: r.ID, Name: "reads", Scope: apikey.ScopeRead})
		if err != nil || key.Scope != apikey.ScopeRead || key.Tenant != r.ID || key.CreatedBy != "ann" || !strings.HasPrefix(text.Reveal(), "pk_"+key.ID+"_") {
			t.Fatalf("%+v, %v", key, err)
		}
		now := p.record(t, r.ID)
		if now.ReadLogin == "" || (!made.IsZero() && now.ReadPassword != made) {
			t.Errorf("the reader is %q, or another than before", now.ReadLogin)
		}
		made = now.ReadPassword
		if err := ask(t.Context(), k, r.ID.Reader(), false, "select * from items"); err != nil {
			t.Errorf("with the key there it does not read: %v", err)
		}
	}
	keys, err := p.operator.Keys(t.Context(), r.ID, "", 10)
	if err != nil || len(keys) != 3 {
		t.Errorf("%d keys, %v", len(keys), err)
	}
}

// trail is what the audit says of a tenant, the oldest first.
func (p *plane) trail(t *testing.T, id registry.ID) (all []control.Event) {
	t.Helper()
	events, err := p.operator.Events(t.Context(), id, 0, 100)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range events {
		all = append([]control.Event{e}, all...)
	}
	return all
}

func TestTheTrailSaysWhoDidWhatToAKeyAndNeverItsText(t *testing.T) {
	t.Parallel()
	p := newPlane(t, nil)
	r := p.add(t, "acme", registry.IsolationSchema)
	text, key, err := p.operator.CreateKey(t.Context(), "ann", control.NewKey{Tenant: r.ID, Name: "reports", Scope: apikey.ScopeRead})
	if err != nil {
		t.Fatal(err)
	}
	later := time.Now().Add(time.Hour).UTC().Truncate(time.Second)
	if k, err := p.operator.ExpireKey(t.Context(), "ben", r.ID, key.ID, later); err != nil || !k.ExpiresAt.Equal(later) {
		t.Errorf("%+v, %v", k, err)
	}
	for range 2 {
		if k, err := p.operator.RevokeKey(t.Context(), "cid", r.ID, key.ID); err != nil || k.RevokedAt.IsZero() {
			t.Errorf("%+v, %v", k, err)
		}
	}
	if _, err := p.operator.RevokeKey(t.Context(), "dot", r.ID, text.Reveal()); !errors.Is(err, control.ErrNoKey) {
		t.Errorf("its text is no id: %v", err)
	}
	want := []struct{ actor, action, detail string }{
		{"ann", "tenant.reader", ""},
		{"ann", "apikey.create", key.ID},
		{"ben", "apikey.expire", later.Format(time.RFC3339)},
		{"cid", "apikey.revoke", key.ID},
		{"cid", "apikey.revoke", key.ID},
		{"dot", "apikey.revoke", "(none)"},
	}
	trail := p.trail(t, r.ID)[1:] // without its making
	if len(trail) != len(want) {
		t.Fatalf("the trail is %+v", trail)
	}
	for i, w := range want {
		e := trail[i]
		if e.Actor != w.actor || e.Action != w.action || !strings.Contains(string(e.Detail), w.detail) || (e.Error != "") != (w.actor == "dot") {
			t.Errorf("%d: %s %s %s %s, want %v", i, e.Actor, e.Action, e.Detail, e.Error, w)
		}
	}
	secret := text.Reveal()[len("pk_")+len(key.ID)+1:]
	if all := marshal(t, trail) + p.log.String(); strings.Contains(all, secret) || strings.Contains(all, secret[:8]) {
		t.Error("the key's text is in the trail or in the log")
	}
}

func TestWhoCannotHaveAReaderGetsNoReadOnlyKey(t *testing.T) {
	t.Parallel()
	p := newPlane(t, nil)
	row := p.add(t, "row", registry.IsolationRow)
	ext := lifecycle.Spec{Tenant: registry.Tenant{ID: p.id("ext"), Isolation: registry.IsolationDatabase, DSN: registry.NewSecret(p.server.AdminDSN(p.server.Database(t)))}}
	op, err := p.operator.Add(t.Context(), "test", ext)
	p.done(t, op, err)
	retired := p.add(t, "retired", registry.IsolationSchema)
	op, err = p.operator.Retire(t.Context(), "test", retired.ID, 0, false)
	p.done(t, op, err)
	pending := p.add(t, "pending", registry.IsolationSchema)
	if _, err := p.db.Update(t.Context(), pending.ID, 0, func(r *control.Record) error { r.State, r.Reason = registry.StatusPending, "half made"; return nil }); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		id   registry.ID
		want error
		text string
	}{
		{row.ID, lifecycle.ErrUnsupported, "isolation row"},
		{ext.Tenant.ID, lifecycle.ErrUnsupported, "connection string of its own"},
		{retired.ID, lifecycle.ErrState, "retired"},
		{pending.ID, lifecycle.ErrState, "half made"},
		{p.id("nobody"), control.ErrUnknown, "nobody"},
	} {
		_, _, keyErr := p.operator.CreateKey(t.Context(), "ann", control.NewKey{Tenant: c.id, Name: "reads", Scope: apikey.ScopeRead})
		for what, err := range map[string]error{"key": keyErr, "reader": p.operator.MakeReader(t.Context(), "ann", c.id)} {
			if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.text) {
				t.Errorf("%s of %s: %v", what, c.id, err)
			}
		}
		keys, err := p.operator.Keys(t.Context(), c.id, "", 10)
		if len(keys) > 0 {
			t.Errorf("%s has keys: %+v, %v", c.id, keys, err)
		}
		trail := p.trail(t, c.id)
		if last := trail[len(trail)-1]; last.Action != "tenant.reader" || last.Error == "" {
			t.Errorf("the trail of %s ends with %+v", c.id, last)
		}
		if !errors.Is(c.want, control.ErrUnknown) && p.record(t, c.id).ReadLogin != "" {
			t.Errorf("%s got a reader", c.id)
		}
	}
}

func TestADeletionTellsHowManyKeysWentWithTheTenant(t *testing.T) {
	t.Parallel()
	p := newPlane(t, nil)
	r := p.add(t, "acme", registry.IsolationSchema)
	for range 3 {
		if _, _, err := p.operator.CreateKey(t.Context(), "ann", control.NewKey{Tenant: r.ID, Name: "k", Scope: apikey.ScopeWrite}); err != nil {
			t.Fatal(err)
		}
	}
	export := p.server.HasDump(t.Context())
	op, err := p.operator.Retire(t.Context(), "test", r.ID, 0, false)
	p.done(t, op, err)
	op, err = p.operator.Delete(t.Context(), "test", r.ID, r.ID.String(), export)
	op = p.done(t, op, err)
	var result lifecycle.DeleteResult
	if err := json.Unmarshal(op.Result, &result); err != nil || result.Keys != 3 || (result.SHA256 != "") != export {
		t.Errorf("the result is %s, %v", op.Result, err)
	}
	if keys, err := p.operator.Keys(t.Context(), registry.ID{}, "", 10); err != nil || len(keys) != 0 {
		t.Errorf("there are still %d keys, %v", len(keys), err)
	}
}
