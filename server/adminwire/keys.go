package adminwire

import "time"

// APIKey is a key without its text. Prefix is how the text begins, for
// recognition. Scope is write or read, Status active, expired or revoked.
type APIKey struct {
	ID        string     `json:"id"`
	Prefix    string     `json:"prefix"`
	Tenant    string     `json:"tenant"`
	Name      string     `json:"name"`
	Scope     string     `json:"scope"`
	Status    string     `json:"status"`
	CreatedAt time.Time  `json:"created_at"`
	CreatedBy string     `json:"created_by"`
	ExpiresAt *time.Time `json:"expires_at,omitempty"` // absent: never
	RevokedAt *time.Time `json:"revoked_at,omitempty"`
	// LastUsedAt is behind by minutes; absent when nobody has used it.
	LastUsedAt *time.Time `json:"last_used_at,omitempty"`
}

// APIKeyPage answers GET /v1/api-keys and GET /v1/tenants/{id}/api-keys. Next
// is the "after" of the next page.
type APIKeyPage struct {
	Keys []APIKey `json:"keys"`
	Next string   `json:"next,omitempty"`
}

// NewAPIKey is the body of POST /v1/tenants/{id}/api-keys.
type NewAPIKey struct {
	Name      string     `json:"name,omitempty"`
	Scope     string     `json:"scope"`
	ExpiresAt *time.Time `json:"expires_at,omitempty"` // default: never
}

// CreatedKey answers it. Text is the key itself, which is shown this once.
type CreatedKey struct {
	Key  APIKey `json:"key"`
	Text string `json:"text"`
}

// APIKeyPatch is the body of PATCH /v1/tenants/{id}/api-keys/{key}; null is
// never.
type APIKeyPatch struct {
	ExpiresAt *time.Time `json:"expires_at"`
}
