package report

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// Write leaves latest.md and latest.json in the folder, and every plot beside
// them by its name.
func (r *Run) Write(folder string, plots map[string]string) error {
	if err := os.MkdirAll(folder, 0o755); err != nil { //nolint:gosec // for everybody to read
		return fmt.Errorf("bench: %w", err)
	}
	text, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	files := map[string]string{"latest.json": string(text) + "\n", "latest.md": r.Markdown()}
	for name, svg := range plots {
		files[name+".svg"] = svg
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o644); err != nil { //nolint:gosec // likewise
			return fmt.Errorf("bench: %w", err)
		}
	}
	return nil
}
