// Package safetext makes fit for showing to people what others wrote: error messages of servers and of programs.
package safetext

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

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

// Naming returns err with a subject, as a module path or module@version, in front, unless err's text names it: who reads
// a line wants to know what it is about, and that once. Nothing but the line's text depends on that.
func Naming(subject string, err error) error {
	if names(err.Error(), subject) {
		return err
	}
	return fmt.Errorf("%s: %w", subject, err)
}

// names reports whether a text has a subject in it that is not a part of a longer path or version.
func names(text, subject string) bool {
	for text != "" {
		before, after, found := strings.Cut(text, subject)
		if !found {
			return false
		}
		first, _ := utf8.DecodeRuneInString(after)
		second, _ := utf8.DecodeRuneInString(after[min(len(after), 1):])
		last, _ := utf8.DecodeLastRuneInString(before)
		if !partOfName(last) && (!partOfName(first) || first == '.' && !partOfName(second)) {
			return true
		}
		text = after
	}
	return false
}

// partOfName reports whether a character can be in a module path or in a version.
func partOfName(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("-._~/@+", r)
}
