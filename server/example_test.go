package server_test

import (
	"fmt"

	"github.com/poolkeeper/poolkeeper/server"
)

// A mistake in the configuration is told by the setting's path, together with
// what would be right.
func ExampleConfig_Validate() {
	cfg := server.Defaults()
	cfg.AdminListen = ":8081"
	cfg.SQL.Errors = "polite"
	fmt.Println(cfg.Validate())
	// Output:
	// server.admin_listen: :8081 can be reached from other machines; use a loopback address such as 127.0.0.1:8081, or set server.admin_tokens, or server.admin_tls.client_ca, or server.scrape_token, with which others may read /metrics and nothing else
	// server.sql.errors: "polite" is neither honest nor neon
}
