// Package safetext makes fit for showing to people what others wrote: error messages of servers and of programs.
package safetext

import (
	"strings"
	"unicode"
)

// Lines returns what a person needs of a message that somebody else
// wrote: at most a few lines, joined into one, without control characters.
func Lines(message []byte) string {
	const maxLines, maxBytes = 8, 1000
	text := strings.ToValidUTF8(string(message[:min(len(message), maxBytes)]), "")
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
