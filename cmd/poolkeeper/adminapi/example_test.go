package adminapi_test

import (
	"context"
	"fmt"
	"io"
	"net/http"

	"github.com/poolkeeper/poolkeeper/cmd/poolkeeper/adminapi"
	"github.com/poolkeeper/poolkeeper/server/adminwire"
)

func Example() {
	server := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"id":"acme","status":"active"}`)
	})
	client, err := adminapi.New(adminapi.Config{Server: "http://localhost", Transport: adminapi.InProcess(server)})
	if err != nil {
		fmt.Println(err)
		return
	}
	answer, err := client.Do(context.Background(), adminapi.Call{Method: http.MethodGet, Path: []string{"tenants", "acme"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	var tenant adminwire.Tenant
	if err := answer.Into(&tenant); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(tenant.ID, "is", tenant.Status)
	// Output: acme is active
}
