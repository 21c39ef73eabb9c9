package registry

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// maxName is what PostgreSQL keeps of an identifier, in bytes. It cuts longer
// ones silently, so that two different names could become one.
const maxName = 63

// nameHash is how many hexadecimal digits tell shortened names apart.
const nameHash = 8

// DerivedName makes a PostgreSQL name out of an id and a suffix such as
// "_owner": hyphens become underscores. A result of more than 63 bytes is cut
// and gets a hash of the id in the middle, so the suffix stays whole. A suffix
// has at most 32 bytes.
func DerivedName(id ID, suffix string) string {
	name := strings.ReplaceAll(id.name, "-", "_")
	if len(name)+len(suffix) <= maxName {
		return name + suffix
	}
	sum := sha256.Sum256([]byte(id.name))
	tail := "_" + hex.EncodeToString(sum[:nameHash/2]) + suffix
	return name[:maxName-len(tail)] + tail
}
