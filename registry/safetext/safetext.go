// Package safetext makes fit for showing to people what others wrote: error messages of servers and of programs.
package safetext

import (
	"strings"
	"unicode"

	"github.com/modferry/modferry/registry/redact"
)

// maxBytes bounds what is shown of one message.
const maxBytes = 1000

// Lines returns what a person needs of a message: at most a few lines, joined into one,
// without control characters and credentials.
func Lines(message []byte) string {
	const maxLines = 8
	text := redact.Text(string(message))
	text = strings.ToValidUTF8(text[:min(len(text), maxBytes)], "")
	var kept []string
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(strings.Map(printable, line))
		if line != "" && len(kept) < maxLines {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "; ")
}

func printable(r rune) rune {
	switch {
	case r == '\t':
		return ' '
	case unicode.IsPrint(r):
		return r
	}
	return -1
}
