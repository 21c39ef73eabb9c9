package registry

import (
	"math"
	"strconv"
	"strings"
)

// sizeUnits are those of a number of bytes. None ends with a later one but for
// B, which is last.
func sizeUnits() []struct {
	name  string
	bytes int64
} {
	return []struct {
		name  string
		bytes int64
	}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}}
}

// ParseSize reads a number of bytes as people write it: 10MiB, 512KiB, or a
// bare number. It reports false for anything else, and for what does not fit.
func ParseSize(text string) (bytes int64, ok bool) {
	factor := int64(1)
	for _, u := range sizeUnits() {
		if head, found := strings.CutSuffix(text, u.name); found {
			text, factor = strings.TrimSpace(head), u.bytes
			break
		}
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n > math.MaxInt64/factor || n < math.MinInt64/factor {
		return 0, false
	}
	return n * factor, true
}

// FormatSize returns the shortest text that [ParseSize] reads back.
func FormatSize(bytes int64) string {
	for _, u := range sizeUnits() {
		if bytes != 0 && bytes%u.bytes == 0 && u.bytes > 1 {
			return strconv.FormatInt(bytes/u.bytes, 10) + u.name
		}
	}
	return strconv.FormatInt(bytes, 10)
}
