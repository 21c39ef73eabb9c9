package onboard

import (
	"context"
	"database/sql/driver"
	"errors"
)

// errDryRun is what every statement of a dry run ends with.
var errDryRun = errors.New("dry run")

// dryRun is a database that refuses every statement: goose gets as far as
// having parsed all files, and no further. Its parser cannot be called alone.
type dryRun struct{}

func (d dryRun) Connect(context.Context) (driver.Conn, error) { return d, nil }
func (d dryRun) Driver() driver.Driver                        { return nil }
func (d dryRun) Prepare(string) (driver.Stmt, error)          { return nil, errDryRun }
func (d dryRun) Begin() (driver.Tx, error)                    { return nil, errDryRun }
func (d dryRun) Close() error                                 { return nil }
