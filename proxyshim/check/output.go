package check

import (
	"strings"

	"github.com/modferry/modferry/registry/safetext"
)

// maxOutput bounds what a result keeps of what a command wrote, in bytes.
const maxOutput = 8 << 10

// excerpt returns the first lines of what a go command wrote, without the lines
// that only tell of its progress and without control characters.
func excerpt(output string) string {
	var b strings.Builder
	for line := range strings.Lines(output) {
		line = strings.TrimRight(line, " \t\r\n")
		if line == "" && b.Len() == 0 || strings.HasPrefix(line, "go: downloading ") {
			continue
		}
		if b.Len()+len(line) > maxOutput {
			b.WriteString("…")
			break
		}
		b.WriteString(safetext.Lines([]byte(line)) + "\n")
	}
	return strings.TrimRight(b.String(), "\n")
}

// changes returns the lines that a difference removes and adds, below the names of
// their files, as "go mod tidy -diff" prints it.
func changes(diff string) string {
	var b strings.Builder
	for line := range strings.Lines(diff) {
		if name, ok := strings.CutPrefix(line, "+++ tidy/"); ok {
			b.WriteString(strings.TrimSpace(name) + ":\n")
			continue
		}
		isHead := strings.HasPrefix(line, "--- current/")
		if !isHead && (strings.HasPrefix(line, "-") || strings.HasPrefix(line, "+")) {
			b.WriteString(line)
		}
	}
	return b.String()
}
