package admission_test

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/poolkeeper/poolkeeper/registry"
)

// BenchmarkAdmit is one request in and out, by all processors at once.
func BenchmarkAdmit(b *testing.B) {
	for _, tenants := range []int{1, 1000, 100_000} {
		for name, limits := range map[string]registry.Limits{
			"unlimited": {}, "passes": {Rate: 1e9, InFlight: 1 << 20}, "refused": {Rate: 0.001},
		} {
			b.Run(fmt.Sprintf("%d/%s", tenants, name), func(b *testing.B) {
				c := control(b, nil, nil)
				records := make([]*registry.Tenant, tenants)
				for i := range records {
					records[i] = tenant(fmt.Sprintf("t%d", i), limits)
				}
				var next atomic.Int64
				b.ReportAllocs()
				b.ResetTimer()
				b.RunParallel(func(pb *testing.PB) {
					i := int(next.Add(1)) * 7919
					for pb.Next() {
						i++
						if p, err := c.Admit(b.Context(), records[i%tenants]); err == nil {
							p.Release()
						}
					}
				})
			})
		}
	}
}
