package main

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/poolkeeper/poolkeeper/examples/sqlc/db"
	"github.com/poolkeeper/poolkeeper/pools"
)

// A lease is all that generated code asks for.
var _ db.DBTX = (*pools.Lease)(nil)

// openAccounts fills a new tenant's books with one COPY.
func openAccounts(ctx context.Context, lease *pools.Lease, balances map[string]int64) error {
	rows := make([]db.OpenAccountsParams, 0, len(balances))
	for name, balance := range balances {
		rows = append(rows, db.OpenAccountsParams{Name: name, Balance: balance})
	}
	_, err := db.New(lease).OpenAccounts(ctx, rows)
	return err
}

// transfer moves money in one transaction: both accounts change, or none does.
func transfer(ctx context.Context, lease *pools.Lease, from, to string, amount int64) error {
	return lease.InTx(ctx, pgx.TxOptions{}, func(tx pgx.Tx) error {
		queries := db.New(lease).WithTx(tx)
		source, err := queries.Account(ctx, from)
		if err != nil {
			return err
		}
		target, err := queries.Account(ctx, to)
		if err != nil {
			return err
		}
		if _, err := queries.ChangeBalance(ctx, db.ChangeBalanceParams{ID: target.ID, Change: amount}); err != nil {
			return err
		}
		if _, err := queries.ChangeBalance(ctx, db.ChangeBalanceParams{ID: source.ID, Change: -amount}); err != nil {
			return err
		}
		_, err = queries.RecordTransfer(ctx, db.RecordTransferParams{Source: source.ID, Target: target.ID, Amount: amount})
		return err
	})
}

// rename gives accounts new names, all in one round trip.
func rename(ctx context.Context, lease *pools.Lease, names map[string]string) error {
	params := make([]db.RenameAccountsParams, 0, len(names))
	for from, to := range names {
		params = append(params, db.RenameAccountsParams{OldName: from, NewName: to})
	}
	var first error
	db.New(lease).RenameAccounts(ctx, params).Exec(func(_ int, err error) {
		if first == nil {
			first = err
		}
	})
	return first
}
