package server

import (
	"encoding/json"
	"errors"

	"github.com/poolkeeper/poolkeeper/onboard/lifecycle"
	"github.com/poolkeeper/poolkeeper/registry"
)

// parseNewTenant reads the body of POST /v1/tenants.
func parseNewTenant(body []byte) (lifecycle.Spec, error) {
	var s lifecycle.Spec
	err := object{verb: "given", members: tenantMembers(&s)}.read(body)
	return s, completed(s, err)
}

// parseClone reads the body of POST /v1/tenants/{id}/clone.
func parseClone(body []byte) (s lifecycle.Spec, data bool, err error) {
	data = true
	members := append(tenantMembers(&s), member{"data", given(&data, readFlag)})
	err = object{verb: "given", members: members}.read(body)
	return s, data, completed(s, err)
}

func completed(s lifecycle.Spec, err error) error {
	if err == nil && s.Tenant.ID.IsZero() {
		return badRequest("id is missing; give the new tenant's id")
	}
	return err
}

func tenantMembers(s *lifecycle.Spec) []member {
	t := &s.Tenant
	return []member{
		{"id", given(&t.ID, readID)},
		{"name", given(&t.Name, readText)},
		{"plan", given(&t.Plan, readText)},
		{"cluster", given(&t.Cluster, readText)},
		{"isolation", given(&t.Isolation, readIsolation)},
		{"schema", given(&t.Schema, readText)},
		{"database", given(&t.Database, readText)},
		{"login", given(&t.Login, readText)},
		{"password", given(&t.Password, readSecret)},
		{"dsn", given(&t.DSN, readSecret)},
		{"ddl", optional(&s.DDL, readFlag)},
		{"limits", func(raw json.RawMessage) error {
			if isNull(raw) {
				return nil
			}
			return object{where: "limits", verb: "given", members: limitMembers(&t.Limits)}.read(raw)
		}},
		{"labels", given(&t.Labels, readNewLabels)},
	}
}

func readIsolation(raw json.RawMessage) (registry.Isolation, error) {
	text, err := readText(raw)
	i := registry.Isolation(text)
	switch i {
	case registry.IsolationSchema, registry.IsolationDatabase, registry.IsolationRow:
		return i, err
	}
	return "", errors.New("must be schema, database or row")
}

// readNewLabels leaves out labels that are null.
func readNewLabels(raw json.RawMessage) (map[string]string, error) {
	patch, err := readLabels(raw)
	labels := make(map[string]string, len(patch))
	for name, value := range patch {
		if value != nil {
			labels[name] = *value
		}
	}
	return labels, err
}

// parsePatch reads the body of PATCH /v1/tenants/{id}, a merge patch
// (RFC 7396): null takes a value away. A limit that is taken away is the
// plan's again, and a name the id.
func parsePatch(body []byte) (lifecycle.Patch, error) {
	var p lifecycle.Patch
	err := object{verb: "changed", members: []member{
		{"name", patched(&p.Name, readText)},
		{"plan", patched(&p.Plan, readText)},
		{"labels", func(raw json.RawMessage) (err error) {
			if isNull(raw) {
				return errors.New(`cannot be null as a whole; write {"NAME": null} for each that is to go`)
			}
			p.Labels, err = readLabels(raw)
			return err
		}},
		{"limits", func(raw json.RawMessage) error {
			p.Limits = &lifecycle.LimitsPatch{}
			members := limitPatchMembers(p.Limits)
			if !isNull(raw) {
				return object{where: "limits", verb: "changed", members: members}.read(raw)
			}
			for _, m := range members {
				if err := m.read(raw); err != nil { // unreachable: each takes null
					return err
				}
			}
			return nil
		}},
	}}.read(body)
	return p, err
}

// parseMigrate reads the body of POST /v1/migrations, which may be empty.
func parseMigrate(body []byte) (r lifecycle.MigrateRequest, dry bool, err error) {
	err = optionalBody(body, object{verb: "given", members: []member{
		{"direction", func(raw json.RawMessage) error {
			text, err := readText(raw)
			if r.Down = text == "down"; err != nil || text != "down" && text != "up" {
				return errors.New("must be up or down")
			}
			return nil
		}},
		{"tenants", given(&r.Tenants, readIDs)},
		{"canary", given(&r.Canary, readIDs)},
		{"only_failed", given(&r.OnlyFailed, readFlag)},
		{"run", given(&r.Run, readText)},
		{"workers", given(&r.Workers, readCount(0, mostWorkers))},
		{"dry_run", given(&dry, readFlag)},
	}})
	return r, dry, err
}

const mostWorkers = 1000

// optionalBody reads a body unless it is empty.
func optionalBody(body []byte, o object) error {
	if len(body) == 0 {
		return nil
	}
	return o.read(body)
}
