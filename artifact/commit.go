package artifact

import (
	"encoding/json"
	"strings"
)

// MinCommit is the length of the shortest beginning of a commit's hash that counts as one.
const MinCommit = 7

// IsHash reports whether s is the whole hash of a git commit, SHA-1 or SHA-256.
func IsHash(s string) bool { return (len(s) == 40 || len(s) == 64) && isHex(s) }

// IsAbbreviatedHash reports whether s can be the beginning of a git commit's hash, or all of it.
func IsAbbreviatedHash(s string) bool { return len(s) >= MinCommit && isHex(s) }

func isHex(s string) bool { return strings.Trim(s, "0123456789abcdef") == "" }

// OriginHash returns the commit that a .info file says the version is of, or "" if it does not.
func OriginHash(info []byte) string {
	var i struct{ Origin struct{ Hash string } }
	if json.Unmarshal(info, &i) != nil {
		return ""
	}
	return i.Origin.Hash
}
