package doctor

import (
	"fmt"
	"maps"
	"slices"

	"github.com/poolkeeper/poolkeeper/registry"
)

// migrations lists the tenants whose data is not what the newest migration
// makes of it, as the records have it.
func (x *examination) migrations() {
	if x.Records == nil || x.Migrations == nil {
		return
	}
	x.report.checked(checkMigrations)
	behind, unknown := map[int64][]registry.ID{}, []registry.ID{}
	for _, r := range x.records {
		latest := x.Migrations.Latest(&r.Tenant)
		if r.Status == registry.StatusPending || r.Status == registry.StatusRetired || latest == 0 {
			continue
		}
		switch {
		case r.MigrationError != "":
			x.report.add(Finding{
				Check: checkMigrations, Severity: Error, Subject: "tenant " + r.ID.String(),
				Message: fmt.Sprintf("its last migration failed, at version %d of %d: %s", r.Migrated, latest, r.MigrationError),
				Remedy:  "mend the migration or the tenant's data, then run: poolkeeper migrate up --only-failed",
			})
		case r.Migrated < 0:
			unknown = append(unknown, r.ID)
		case r.Migrated < latest:
			behind[latest] = append(behind[latest], r.ID)
		}
	}
	for _, latest := range slices.Sorted(maps.Keys(behind)) {
		x.report.add(Finding{
			Check: checkMigrations, Severity: Warning, Subject: "migrations",
			Message: fmt.Sprintf("%s behind version %d: %s", are(len(behind[latest])), latest, some(behind[latest])),
			Remedy:  "run: poolkeeper migrate up",
		})
	}
	if len(unknown) > 0 {
		x.report.add(Finding{
			Check: checkMigrations, Severity: Info, Subject: "migrations",
			Message: fmt.Sprintf("%s of an unknown version: %s", are(len(unknown)), some(unknown)),
			Remedy:  "run: poolkeeper migrate status --verify",
		})
	}
}

func are(n int) string {
	if n == 1 {
		return "1 tenant is"
	}
	return fmt.Sprintf("%d tenants are", n)
}
