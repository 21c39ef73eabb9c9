package registry

import (
	"maps"
	"path/filepath"
	"slices"

	"go.yaml.in/yaml/v3"
)

// Document is one YAML file that was read already.
type Document struct {
	// Path is how messages call the file. What the first of several documents
	// refers to by a relative path lies in its folder.
	Path string
	Data []byte
	// Declares says that it is all that is declared. It has to have the key
	// tenants, be it {}: without it a text that was lost or cut short, or whose
	// key is misspelt, would declare nobody. And it may name no folder in tenants_dir,
	// whose tenants would be declared no more.
	Declares bool
}

// Parse reads the records of one file: its keys plans and tenants, others are
// somebody else's. Secrets are resolved, paths in them beginning at the folder
// of the file. The records come in the order of their ids, valid as a whole,
// with SharedLogin derived and no Version. The error is [Problems]: everything
// that is wrong, not just the first.
func Parse(file string, data []byte, clusters map[string]Cluster) ([]*Tenant, error) {
	return ParseDocuments([]Document{{Path: file, Data: data}}, clusters)
}

// ParseDocuments is [Parse] for a file and those of its folder of tenants. The
// first document holds plans and tenants among other things, the others the
// key tenants alone. Plans are good for all of them, and so is the folder at
// which relative paths of secrets begin: the first document's.
func ParseDocuments(docs []Document, clusters map[string]Cluster) ([]*Tenant, error) {
	tenants, _, err := parse(docs, clusters)
	return tenants, err
}

// parse also returns the files that secrets refer to, even when it fails.
func parse(docs []Document, clusters map[string]Cluster) ([]*Tenant, []secretFile, error) {
	p := newParser()
	p.documents(docs)
	p.validate(docs, clusters)
	if err := p.problems.sorted(); err != nil {
		return nil, p.secretFiles, err
	}
	return records(p.subjects), p.secretFiles, nil
}

func newParser() *parser {
	return &parser{
		reader: reader{flat: map[*yaml.Node][]pair{}, alike: map[string]map[string]string{}},
		plans:  map[string]*settings{},
		first:  map[ID]position{},
	}
}

// documents reads them one after the other.
func (p *parser) documents(docs []Document) {
	for i, doc := range docs {
		if i == 0 {
			p.dir = filepath.Dir(doc.Path)
		}
		p.file = doc.Path
		before := len(p.problems)
		if found := p.read(doc, i == 0); doc.Declares && !found && len(p.problems) == before {
			p.problems.add(position{file: p.file}, "tenants", "is missing or empty; without it nobody would be declared, so write tenants: {} if that is meant")
		}
	}
}

// validate checks what was read as a whole.
func (p *parser) validate(docs []Document, clusters map[string]Cluster) *validation {
	check := newValidation(p.main(docs), clusters)
	check.all(p.subjects)
	p.problems = append(p.problems, check.problems...)
	return check
}

// parser turns documents into records.
type parser struct {
	reader
	plansOnly   bool
	dir         string // where relative paths of secrets begin
	plans       map[string]*settings
	first       map[ID]position // where an id was met
	subjects    []*subject
	secretFiles []secretFile
}

func (p *parser) main(docs []Document) string {
	if len(docs) == 0 {
		return ""
	}
	return docs[0].Path
}

// read takes plans and tenants from one document, and reports whether it says
// who the latter are.
func (p *parser) read(doc Document, main bool) (declares bool) {
	root := p.document(doc.Data)
	if root == nil {
		return false
	}
	keys := []string{"tenants"}
	if main {
		keys = nil
	}
	top := map[string]pair{}
	for _, pair := range p.mapping(root, "", keys) {
		top[pair.key] = pair
	}
	if folder, ok := top["tenants_dir"]; ok && doc.Declares && folder.value.Value != "" {
		p.problems.add(folder.at, "tenants_dir", "the tenants of the folder %q are not in this text, and would be suspended; leave it to a server that follows the file, or declare all tenants in one", folder.value.Value)
	}
	if plans, ok := top["plans"]; ok {
		for _, plan := range p.mapping(plans.value, "plans", nil) {
			p.plan(plan)
		}
	}
	tenants, declares := top["tenants"]
	if declares && !p.plansOnly {
		for _, tenant := range p.mapping(tenants.value, "tenants", nil) {
			p.tenant(tenant)
		}
	}
	return declares && !isNull(deref(tenants.value)) // a text may end behind the key
}

// plan reads the defaults of many tenants. Of places it may give only those
// that many tenants share, which row isolation does.
func (p *parser) plan(pair pair) {
	field := join("plans", pair.key)
	s := p.settings(pair, field, planKeys())
	if s == nil {
		s = &settings{}
	}
	p.plans[pair.key] = s
	planned := Limits{MaxConns: s.maxConns.value, GuaranteedConns: s.guaranteedConns.value}
	if wrong := planned.overpromise(s.maxConns.at.from(s.guaranteedConns.at)); wrong != "" {
		p.problems.add(s.guaranteedConns.at, field+".limits.guaranteed_conns", "%s", wrong)
		s.guaranteedConns = given[int]{} // once is enough, not again for every tenant
	}
	if Isolation(s.isolation.value) == IsolationRow {
		return
	}
	for _, place := range []struct {
		key string
		at  position
	}{{"schema", s.schema.at}, {"database", s.database.at}, {"login", s.login.at}, {"password", s.password.at}} {
		if place.at != (position{}) {
			p.problems.add(place.at, field+"."+place.key,
				"belongs to one tenant; a plan may give it only with isolation: row, where tenants share it")
		}
	}
}

func (p *parser) tenant(pair pair) {
	field := join("tenants", pair.key)
	before := len(p.problems)
	s := p.settings(pair, field, tenantKeys())
	id, err := ParseID(pair.key)
	if err != nil {
		p.problems.add(pair.at, field, "is no tenant id; ids have 1 to %d lower-case letters, digits and hyphens, the first and the last no hyphen", maxID)
		return
	}
	if first, twice := p.first[id]; twice {
		p.problems.add(pair.at, field, "is given twice; the first is at %s", first)
		return
	}
	p.first[id] = pair.at
	if s == nil {
		return
	}
	own := s
	s = p.planned(s, field)
	t := s.tenant(id)
	t.Password = p.resolve(s.password, field+".password")
	t.DSN = p.resolve(s.dsn, field+".dsn")
	p.subjects = append(p.subjects, &subject{
		Tenant: t, field: field, given: s, own: own, wrong: len(p.problems) > before,
	})
}

// planned fills in what the tenant leaves to its plan.
func (p *parser) planned(s *settings, field string) *settings {
	if s.plan.value == "" { // or one that is wrong, which was told
		return s
	}
	plan, ok := p.plans[s.plan.value]
	if !ok {
		p.problems.add(s.plan.at, field+".plan", "is %s, which is no plan; %s",
			quote(s.plan.value), nearestOf("plans", s.plan.value, slices.Sorted(maps.Keys(p.plans))))
		return s
	}
	return s.over(plan)
}

// resolve returns what a secret refers to, and remembers the file.
func (p *parser) resolve(s given[Secret], field string) Secret {
	if s.value.IsZero() {
		return Secret{}
	}
	resolved, err := s.value.Resolve(p.dir)
	if path, ok := s.value.file(p.dir); ok {
		p.secretFiles = append(p.secretFiles, secretFile{path, seenAs(resolved, err)})
	}
	if err != nil {
		p.problems.add(s.at, field, "%v", err)
		return s.value // not missing, only wrong
	}
	return resolved
}

// records returns the tenants of valid subjects in the order of their ids.
func records(subjects []*subject) []*Tenant {
	tenants := make([]*Tenant, len(subjects))
	for i, s := range subjects {
		tenants[i] = s.Tenant
	}
	slices.SortFunc(tenants, byID)
	return tenants
}
