package adminwire

// Plan is a named block of defaults.
type Plan struct {
	Name      string `json:"name"`
	Cluster   string `json:"cluster,omitempty"`
	Isolation string `json:"isolation,omitempty"`
	DDL       bool   `json:"ddl,omitempty"`
	Limits    Limits `json:"limits"`
}

// PlanList answers GET /v1/plans, by name.
type PlanList struct {
	Plans []Plan `json:"plans"`
}
