package lifecycle

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/control"
)

// ExportResult is the result of an operation that exported.
type ExportResult struct {
	File   string `json:"file,omitempty"`
	Bytes  int64  `json:"bytes,omitempty"`
	SHA256 string `json:"sha256,omitempty"`
	Format string `json:"format,omitempty"`
}

// Export writes a dump of the tenant's data into the folder of exports.
// Errors: ErrState, ErrUnsupported.
func (o *Operator) Export(ctx context.Context, by Actor, id registry.ID) (control.Operation, error) {
	r, err := o.db.Record(ctx, id)
	switch {
	case err != nil:
		return control.Operation{}, err
	case r.State == registry.StatusPending, r.Deleting:
		return control.Operation{}, refuse(ErrState, "%s has no data that is whole", id)
	}
	op := control.Operation{Kind: "export", Tenant: id, Actor: string(by)}
	return o.begin(ctx, op, func(ctx context.Context, j *job) error {
		err := o.locked(ctx, id, "export", func(ctx context.Context) error { return o.export(ctx, j, r) })
		o.audit(ctx, by, "tenant.export", id, nil, err)
		return err
	})
}

// export writes the dump beside its place and moves it there when it is whole.
func (o *Operator) export(ctx context.Context, j *job, r *control.Record) (err error) {
	j.step("export")
	folder := o.deps.Config.Exports
	if folder == "" {
		return refuse(ErrUnsupported, "onboard.exports names no folder for dumps; set it, or go on without an export")
	}
	if err := o.within(r); err != nil {
		return fmt.Errorf("no export can be written; go on without one (--no-export), or: %w", err)
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return fmt.Errorf("the folder of exports: %w", err)
	}
	sweep(folder)
	file, err := os.CreateTemp(folder, unfinished)
	if err != nil {
		return fmt.Errorf("the folder of exports: %w", err)
	}
	defer func() { _ = os.Remove(file.Name()) }() // it has another name when it is whole
	digest := sha256.New()
	count := &counter{}
	format, err := o.deps.Provisioner.Export(ctx, &r.Tenant, io.MultiWriter(file, digest, count))
	err = errors.Join(err, file.Sync(), file.Close())
	if err != nil {
		return err
	}
	name := fmt.Sprintf("%s-%s.%s", r.ID, time.Now().UTC().Format("20060102T150405.000Z"), suffixOf(format))
	if err := os.Rename(file.Name(), filepath.Join(folder, name)); err != nil {
		return err
	}
	j.result(ExportResult{File: name, Bytes: count.n, SHA256: hex.EncodeToString(digest.Sum(nil)), Format: format})
	return nil
}

// unfinished begins the name of an export that is being written.
const unfinished = ".export-"

// sweep removes what a process that was killed has left: a tenant's data in a
// file that nobody would find.
func sweep(folder string) {
	const old = 24 * time.Hour // no export takes so long
	left, _ := filepath.Glob(filepath.Join(folder, unfinished+"*"))
	for _, path := range left {
		if info, err := os.Stat(path); err == nil && time.Since(info.ModTime()) > old {
			_ = os.Remove(path) // the next export tries again
		}
	}
}

func suffixOf(format string) string {
	if format == "tar" {
		return "tar"
	}
	return "dump"
}

// counter counts what is written.
type counter struct{ n int64 }

func (c *counter) Write(p []byte) (int, error) {
	c.n += int64(len(p))
	return len(p), nil
}
