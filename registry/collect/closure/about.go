package closure

import (
	"strings"

	"golang.org/x/mod/module"
)

// isAbout reports whether all that a go command complains of is about some versions: they are needs, and whoever
// cannot have them says so once.
func isAbout(said string, versions []module.Version) bool {
	var found bool
	for _, c := range complaints(said) {
		if found = mentions(c, versions); !found {
			return false
		}
	}
	return found
}

// complaints takes apart what a go command said. What belongs to a line before is indented; progress is no
// complaint.
func complaints(said string) []string {
	var all []string
	for line := range strings.Lines(said) {
		switch {
		case strings.TrimSpace(line) == "", strings.HasPrefix(line, "go: downloading "), strings.HasPrefix(line, "go: finding module "):
		case len(all) > 0 && strings.HasPrefix(line, "\t"):
			all[len(all)-1] += line
		default:
			all = append(all, line)
		}
	}
	return all
}

// mentions reports whether a complaint names one of some versions, as path@version.
func mentions(complaint string, versions []module.Version) bool {
	words := strings.FieldsFunc(complaint, func(r rune) bool { return strings.ContainsRune(" \t\n:;,()[]\"", r) })
	for _, w := range words {
		for _, m := range versions {
			if w == m.String() {
				return true
			}
		}
	}
	return false
}
