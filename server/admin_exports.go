package server

import (
	"errors"
	"io/fs"
	"net/http"
	"os"
	"strings"

	"github.com/gin-gonic/gin"
)

// maxExportName is the longest name that file systems take.
const maxExportName = 255

// download answers GET /v1/exports/{file}, in parts too. It is for the role
// admin: a dump is all of a tenant's data.
func (a *admin) download(c *gin.Context) {
	folder, name := a.operator.ExportFolder(), c.Param("file")
	if folder == "" {
		a.refuse(c, errNoExports)
		return
	}
	file, err := openExport(folder, name)
	if err != nil {
		a.fail(c, err)
		return
	}
	defer func() { _ = file.Close() }() // only read
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errNoExport
	}
	if err != nil {
		a.fail(c, err)
		return
	}
	a.log.InfoContext(c.Request.Context(), "export read", "actor", string(actorOf(c)), "file", name)
	h := c.Writer.Header()
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Content-Disposition", `attachment; filename="`+name+`"`)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	http.ServeContent(c.Writer, c.Request, name, info.ModTime(), file)
}

// openExport opens a file of the folder. Names that Poolkeeper does not give
// to exports are of no export: what begins with a dot is still being written.
func openExport(folder, name string) (*os.File, error) {
	if name == "" || len(name) > maxExportName || name[0] == '.' || strings.ContainsFunc(name, unfitForExport) {
		return nil, errNoExport
	}
	root, err := os.OpenRoot(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errNoExport // the first export makes it
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = root.Close() }() // only read
	info, err := root.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !info.Mode().IsRegular() {
		return nil, errNoExport // opening a pipe would wait for its writer
	}
	if err != nil {
		return nil, err
	}
	return root.Open(name)
}

func unfitForExport(r rune) bool {
	return unfitForID(r) || strings.ContainsRune("/:\\", r)
}
