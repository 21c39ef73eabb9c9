package pools

import (
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/poolkeeper/poolkeeper/registry"
)

// PinSQL returns what a new connection of t is sent.
func PinSQL(cfg Config, t *registry.Tenant) (string, error) {
	target, err := pgxpool.ParseConfig("postgres://u@127.0.0.1/db")
	if err != nil {
		return "", err
	}
	p, err := newPlan(cfg, t, target, "poolkeeper:0")
	if err != nil {
		return "", err
	}
	return p.pin(), nil
}
