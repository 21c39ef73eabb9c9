package doctor

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// slots asks how many connections the server takes, less those that it keeps
// for others.
const slots = `select current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
	- coalesce(current_setting('reserved_connections', true), '0')::int`

// budget compares the budget with what the server takes and with what tenants
// were promised.
func (c *patient) budget(ctx context.Context) error {
	var available int
	if err := lookWith(ctx, c.dsn, func(tx pgx.Tx) error { return tx.QueryRow(ctx, slots).Scan(&available) }); err != nil {
		return err
	}
	replicas := max(1, c.c.Replicas)
	budget := c.c.Budget
	if budget == 0 {
		budget = (available - c.c.Margin) / replicas
	} else if wanted := budget*replicas + c.c.Margin; wanted > available {
		c.found(checkBudget, Error,
			fmt.Sprintf("budget %d times %s and a margin of %d are %d connections, but the server takes %d besides those it reserves",
				budget, several(replicas, "replica"), c.c.Margin, wanted, available),
			fmt.Sprintf("lower clusters.%s.budget to %d, or raise max_connections of the server to at least %d more",
				c.name, max(1, (available-c.c.Margin)/replicas), wanted-available))
	}
	c.promises(budget)
	return nil
}

// promises compares the budget with what tenants may have and are sure to get.
func (c *patient) promises(budget int) {
	if budget < 1 {
		c.found(checkBudget, Error, "the budget that follows from the server's max_connections, margin and replicas leaves no connection",
			fmt.Sprintf("lower clusters.%s.margin or replicas, or raise max_connections of the server", c.name))
		return
	}
	if c.MaxConns > budget {
		c.found(checkBudget, Warning, fmt.Sprintf("a tenant may have %d connections (max_conns), more than the whole budget of %d", c.MaxConns, budget),
			"lower pools.max_conns, or raise the budget")
	}
	guaranteed := 0
	for _, t := range c.tenants {
		if !t.Active() {
			continue
		}
		own := t.Limits.GuaranteedConns
		if own == 0 {
			own = c.GuaranteedConns
		}
		guaranteed += own
	}
	if guaranteed > budget {
		c.found(checkBudget, Error,
			fmt.Sprintf("active tenants are guaranteed %d connections together (guaranteed_conns), but the budget is %d", guaranteed, budget),
			"guarantee less, raise the budget, or move tenants to another cluster")
	}
}
