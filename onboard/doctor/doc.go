// Package doctor checks a configuration against the servers that it names:
//
//	report, err := doctor.Run(ctx, doctor.Setup{Clusters: clusters, Records: control})
//	for _, f := range report.Findings {
//		fmt.Println(f.Severity, f.Subject, f.Message, f.Remedy)
//	}
//
// Every check is a file of this package. It asks, in transactions that are read
// only, and changes nothing; what it finds comes with what to do about it.
// docs/doctor.md lists the checks.
//
// At any time there is one connection to a server, except for the probe for a
// pooler, which needs two. The names in queries are found in pg_catalog alone:
// what tenants made in their schemas has no say in them.
package doctor
