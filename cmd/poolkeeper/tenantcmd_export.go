package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/poolkeeper/poolkeeper/cmd/poolkeeper/adminapi"
	"github.com/poolkeeper/poolkeeper/server/adminwire"
)

func (c *console) tenantExportCommand() *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "export ID",
		Short: "Write a dump of a tenant on the server, and download it",
		Long: `Write a dump of a tenant on the server, and download it. The file is complete or
not there: it gets its name when size and checksum are right. A file that is
there already is not overwritten.`,
		Example: `  poolkeeper tenant export acme
  poolkeeper tenant export acme --output acme.dump
  poolkeeper tenant export acme --output - | pg_restore --list`,
		Args:              arguments("ID"),
		ValidArgsFunction: c.firstTenant,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkIDs(args...); err != nil {
				return err
			}
			if output == "-" && c.json {
				return usageError{errors.New("--json and --output - both want the standard output")}
			}
			return c.with(cmd, func(ctx context.Context, client *adminapi.Client) error {
				return c.exportTenant(ctx, client, args[0], output)
			})
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "", "the `FILE` to write (default the dump's own name, here); - is the standard output")
	return cmd
}

func (c *console) exportTenant(ctx context.Context, client *adminapi.Client, id, output string) error {
	if err := unused(output); err != nil {
		return err
	}
	end, err := c.work(ctx, client, adminapi.Call{Method: http.MethodPost, Path: []string{"tenants", id, "export"}}, false)
	if err != nil {
		return err
	}
	text := end.answer.Body
	if len(text) == 0 {
		text = end.op.Result
	}
	var dump adminwire.ExportResult
	if err := (adminapi.Answer{Body: text}).Into(&dump); err != nil {
		return err
	}
	if dump.File == "" || dump.File != filepath.Base(dump.File) || strings.HasPrefix(dump.File, ".") {
		return fmt.Errorf("%w: the dump has no name", adminapi.ErrForeign)
	}
	if output == "-" {
		return c.download(ctx, client, dump, c.app.Stdout)
	}
	output = cmp.Or(output, dump.File)
	if err := c.downloadTo(ctx, client, dump, output); err != nil {
		return err
	}
	if c.json {
		return c.printJSON(text)
	}
	c.say("%s is exported to %s (%s, %s)", id, output, size(dump.Bytes), dump.Format)
	return nil
}

// unused refuses a path that is there, before anything is begun.
func unused(path string) error {
	if path == "" || path == "-" {
		return nil
	}
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return usageError{fmt.Errorf("%s is there already; name another file with --output", path)}
	}
	return nil
}

// downloadTo writes beside the file and renames in the end, so that nobody
// takes half a dump for one.
func (c *console) downloadTo(ctx context.Context, client *adminapi.Client, dump adminwire.ExportResult, path string) error {
	if err := unused(path); err != nil {
		return err
	}
	file, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".part-*") // closed to other users
	if err != nil {
		return fmt.Errorf("writing the dump: %w", err)
	}
	err = c.download(ctx, client, dump, file)
	if err == nil {
		err = file.Sync()
	}
	if closed := file.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	return nil
}

// download copies the dump and checks that it is the one that was written.
func (c *console) download(ctx context.Context, client *adminapi.Client, dump adminwire.ExportResult, to io.Writer) error {
	resp, err := client.Open(ctx, adminapi.Call{Method: http.MethodGet, Path: []string{"exports", dump.File}})
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }() // read to its end, or lost anyway
	digest := sha256.New()
	bar, end := c.progressBytes(dump.Bytes, "download")
	n, err := io.Copy(io.MultiWriter(to, digest, bar), resp.Body)
	end()
	if err != nil {
		return fmt.Errorf("downloading %s: %w", printable(dump.File), err)
	}
	if sum := hex.EncodeToString(digest.Sum(nil)); n != dump.Bytes || dump.SHA256 != "" && sum != dump.SHA256 {
		return fmt.Errorf("the download of %s is damaged: %d bytes with checksum %s, and not %d with %s", printable(dump.File), n, sum, dump.Bytes, dump.SHA256)
	}
	return nil
}
