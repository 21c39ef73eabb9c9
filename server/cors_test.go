package server_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/poolkeeper/poolkeeper/router"
	"github.com/poolkeeper/poolkeeper/server"
)

func TestTheRoutersOwnNamesAreTheServersToo(t *testing.T) {
	t.Parallel()
	names := router.Defaults()
	names.Resolvers, names.PathPrefix, names.Header, names.Dev = []string{"path", "header"}, "/customers/", "X-Customer", true
	rt, err := router.New(names, router.Deps{Tenants: demoRecords(), Pools: noPools{}})
	if err != nil {
		t.Fatal(err)
	}
	s, err := server.New(server.Defaults(), server.Deps{
		Router: rt, Keeper: &fakeKeeper{}, Registry: demoRecords(),
		PathPrefix: names.PathPrefix, Header: names.Header,
	})
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]int{"/customers/acme/sql": http.StatusOK, "/t/acme/sql": http.StatusNotFound} {
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodOptions, path, nil))
		if w.Code != want {
			t.Errorf("OPTIONS %s is answered %d, want %d", path, w.Code, want)
		}
		allowed := strings.Split(w.Header().Get("Access-Control-Allow-Headers"), ", ")
		if w.Code == http.StatusOK && allowed[len(allowed)-1] != "X-Customer" {
			t.Errorf("a page may send %v", allowed)
		}
	}
}
