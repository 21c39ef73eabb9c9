package readcache_test

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/server/readcache"
)

func Example() {
	cache, err := readcache.New(readcache.Defaults(), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer cache.Close()

	acme := &registry.Tenant{ID: registry.MustParseID("acme"), Limits: registry.Limits{CacheFor: time.Minute}}
	request := http.Header{"Cache-Control": {"max-age=10"}}
	for range 2 {
		age := cache.MaxAge(acme, request) // 0 would mean not to ask the cache
		key := readcache.KeyOf(acme, readcache.Read{SQL: "select count(*) from items"})
		answer, err := cache.Do(context.Background(), key, age, func(context.Context) ([]byte, error) {
			fmt.Println("the database is asked")
			return []byte(`{"rows":[{"count":"7"}]}`), nil
		})
		if err != nil {
			fmt.Println(err)
			return
		}
		response := http.Header{}
		answer.Header(response)
		fmt.Println(string(answer.Body), response["Cache-Status"])
	}
	// Output:
	// the database is asked
	// {"rows":[{"count":"7"}]} [poolkeeper; fwd=miss; stored]
	// {"rows":[{"count":"7"}]} [poolkeeper; hit; ttl=59]
}
