package admission_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/router/admission"
)

func Example() {
	cfg := admission.Defaults()
	cfg.Rate, cfg.Burst = 0.5, 2 // for tenants without limits of their own
	control, err := admission.New(cfg, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer control.Close()

	acme := &registry.Tenant{ID: registry.MustParseID("acme")}
	for range 3 {
		pass, err := control.Admit(context.Background(), acme)
		if refusal, is := errors.AsType[*admission.Refusal](err); is {
			header := http.Header{}
			refusal.Header(header)
			fmt.Println(refusal, header["Ratelimit"], header["Ratelimit-Policy"])
			continue
		}
		fmt.Println("served")
		pass.Release()
	}
	// Output:
	// served
	// served
	// tenant acme: admission: tenant's rate exceeded ["default";r=0;t=2] ["default";q=2;w=4]
}
