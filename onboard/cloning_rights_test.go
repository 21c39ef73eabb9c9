package onboard_test

import (
	"slices"
	"testing"

	"github.com/poolkeeper/poolkeeper/onboard"
	"github.com/poolkeeper/poolkeeper/registry"
)

// What the source's roles have in the copy is taken from them there, and with
// that the server takes from them what is no database's.
func TestTheSourceOfAClonedDatabaseKeepsItsRightsOnTheServer(t *testing.T) {
	t.Parallel()
	forEachAdministrator(t, func(t *testing.T, w *world) {
		a, b := w.tenant("a", registry.IsolationDatabase), w.tenant("b", registry.IsolationDatabase)
		p := w.provisioner(onboard.Config{})
		w.provision(p, a)
		w.super("grant set on parameter log_min_duration_statement to "+a.Login+" with grant option", `grant set on parameter "app"."User" to `+a.Login,
			"grant create on tablespace pg_default to "+a.Login)
		if err := p.Clone(t.Context(), a, b, true); err != nil {
			t.Fatal(err)
		}
		got := w.strings(w.connect(w.srv.AdminDSN(w.database)), `select unnest(array[has_parameter_privilege($1, 'log_min_duration_statement', 'SET WITH GRANT OPTION'),
			has_parameter_privilege($1, 'app.user', 'SET'), has_tablespace_privilege($1, 'pg_default', 'CREATE')])::text`, a.Login)
		if !slices.Equal(got, []string{"true", "true", "true"}) {
			t.Errorf("the source has its rights: %q", got)
		}
	})
}
