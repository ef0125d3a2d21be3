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

// changed returns what has changed in a file, below its name.
func changed(file string, lines []string) string {
	if len(lines) == 0 {
		return ""
	}
	return file + ":\n" + strings.Join(lines, "\n") + "\n"
}
