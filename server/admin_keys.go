package server

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/apikey"
	"github.com/poolkeeper/poolkeeper/registry/control"
	"github.com/poolkeeper/poolkeeper/server/adminwire"
)

// keyIDLength is how many characters the id of an API key has.
const keyIDLength = 12

// unfitKeyID reports whether no API key has such an id.
func unfitKeyID(id string) bool {
	return len(id) != keyIDLength || strings.ContainsFunc(id, func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') })
}

// listKeys answers GET /v1/tenants/{id}/api-keys. Only an empty first page
// leaves the question whether there is such a tenant.
func (a *admin) listKeys(c *gin.Context) {
	id, ok := a.idOf(c)
	if !ok {
		return
	}
	page, err := a.keys(c, id)
	if err == nil && len(page.Keys) == 0 && c.Query("after") == "" {
		_, err = a.operator.Record(c.Request.Context(), id)
		err = operators(err)
	}
	a.answer(c, http.StatusOK, page, err)
}

// listAllKeys answers GET /v1/api-keys.
func (a *admin) listAllKeys(c *gin.Context) {
	page, err := a.keys(c, registry.ID{})
	a.answer(c, http.StatusOK, page, err)
}

// keys reads a page of a tenant's keys, or of everybody's for the zero id.
func (a *admin) keys(c *gin.Context, tenant registry.ID) (adminwire.APIKeyPage, error) {
	page := adminwire.APIKeyPage{Keys: []adminwire.APIKey{}} // [] and not null
	limit, err := limitOf(c)
	after := c.Query("after")
	if err == nil && after != "" && unfitKeyID(after) {
		err = badRequest("after must be the id of an API key")
	}
	if err != nil {
		return page, err
	}
	keys, err := a.operator.Keys(c.Request.Context(), tenant, after, limit+1)
	if err != nil {
		return page, operators(err)
	}
	if len(keys) > limit {
		keys = keys[:limit]
		page.Next = keys[limit-1].ID
	}
	now := time.Now()
	for _, k := range keys {
		page.Keys = append(page.Keys, keyOf(k, now))
	}
	return page, nil
}

// createKey answers POST /v1/tenants/{id}/api-keys. Its answer is the only
// place that ever has the key's text.
func (a *admin) createKey(c *gin.Context) {
	id, body, ok := a.idAndBody(c)
	if !ok {
		return
	}
	now := time.Now()
	k, err := parseNewKey(body, now)
	if err != nil {
		a.refuse(c, err)
		return
	}
	k.Tenant, k.By = id, string(actorOf(c))
	text, key, err := a.operator.CreateKey(c.Request.Context(), actorOf(c), k)
	if err != nil {
		a.fail(c, err)
		return
	}
	writeJSON(c, http.StatusCreated, adminwire.CreatedKey{Key: keyOf(key, now), Text: text.Reveal()})
}

// expireKey answers PATCH /v1/tenants/{id}/api-keys/{key}.
func (a *admin) expireKey(c *gin.Context) {
	a.alterKey(c, func(ctx context.Context, id registry.ID, key string, body []byte) (apikey.Key, error) {
		at, err := parseExpiry(body)
		if err != nil {
			return apikey.Key{}, err
		}
		k, err := a.operator.ExpireKey(ctx, actorOf(c), id, key, at)
		return k, operators(err)
	})
}

// revokeKey answers DELETE /v1/tenants/{id}/api-keys/{key}: with the key,
// which stays in the lists.
func (a *admin) revokeKey(c *gin.Context) {
	a.alterKey(c, func(ctx context.Context, id registry.ID, key string, _ []byte) (apikey.Key, error) {
		k, err := a.operator.RevokeKey(ctx, actorOf(c), id, key)
		return k, operators(err)
	})
}

// alterKey changes a key and answers with it.
func (a *admin) alterKey(c *gin.Context, change func(ctx context.Context, id registry.ID, key string, body []byte) (apikey.Key, error)) {
	id, body, ok := a.idAndBody(c)
	if !ok {
		return
	}
	key := c.Param("key")
	if unfitKeyID(key) {
		a.fail(c, control.ErrNoKey)
		return
	}
	k, err := change(c.Request.Context(), id, key, body)
	a.answer(c, http.StatusOK, keyOf(k, time.Now()), err)
}

// makeReader answers POST /v1/tenants/{id}/reader with the tenant.
func (a *admin) makeReader(c *gin.Context) {
	id, body, ok := a.idAndBody(c)
	if !ok {
		return
	}
	if err := optionalBody(body, object{verb: "given"}); err != nil {
		a.refuse(c, err)
		return
	}
	ctx := c.Request.Context()
	var r *control.Record
	err := a.operator.MakeReader(ctx, actorOf(c), id)
	if err == nil {
		r, err = a.operator.Record(ctx, id)
	}
	if err != nil {
		a.fail(c, err)
		return
	}
	writeRecord(c, http.StatusOK, r)
}

// answer writes what there is to say, or refuses.
func (a *admin) answer(c *gin.Context, status int, v any, err error) {
	if err != nil {
		a.refuse(c, err)
		return
	}
	writeJSON(c, status, v)
}

// operators marks an error as the Operator's, if there is one.
func operators(err error) error {
	if err == nil {
		return nil
	}
	return &operatorError{err}
}

// keyOf is a key as the admin API shows it at a time.
func keyOf(k apikey.Key, now time.Time) adminwire.APIKey {
	return adminwire.APIKey{
		ID: k.ID, Prefix: k.Prefix(), Tenant: k.Tenant.String(), Name: k.Name, Scope: string(k.Scope), Status: string(k.Status(now)),
		CreatedAt: k.CreatedAt.UTC(), CreatedBy: k.CreatedBy,
		ExpiresAt: momentOf(k.ExpiresAt), RevokedAt: momentOf(k.RevokedAt), LastUsedAt: momentOf(k.LastUsed),
	}
}
