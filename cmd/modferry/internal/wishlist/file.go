package wishlist

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/modferry/modferry/cmd/modferry/internal/userfile"
)

// readWishes reads a wish list. The error is userfile.ErrNotRegular if it can be none.
func readWishes(name string) ([]byte, error) {
	data, err := userfile.Read(name, maxWishFile)
	if errors.Is(err, userfile.ErrTooLarge) {
		err = fmt.Errorf("%s is larger than %d MiB: is it a wish list?", name, maxWishFile>>20)
	}
	return data, err
}

// mergeWishes adds news to the text of a wish list, and returns the text and the wishes in it.
func mergeWishes(data []byte, news map[string]asked) (text []byte, wishes map[string]bool) {
	var b bytes.Buffer
	wishes = make(map[string]bool)
	updated := make(map[string]bool)
	for line := range strings.Lines(string(data)) {
		body := strings.TrimRight(line, "\r\n")
		wish, a, ours := parseWish(strings.TrimSpace(body))
		if wish != "" {
			wishes[wish] = true
		}
		if more, ok := news[wish]; ok && ours && !updated[wish] {
			updated[wish] = true
			line = formatWish(wish, a.plus(more)) + line[len(body):]
		}
		b.WriteString(line)
	}
	if text := b.Bytes(); len(text) > 0 && text[len(text)-1] != '\n' {
		b.WriteByte('\n')
	}
	for _, wish := range slices.Sorted(maps.Keys(news)) {
		if wishes[wish] {
			continue
		}
		line := formatWish(wish, news[wish]) + "\n"
		if len(wishes) >= maxWishes || b.Len()+len(line) > maxWishFile {
			break
		}
		b.WriteString(line)
		wishes[wish] = true
	}
	return b.Bytes(), wishes
}

// asked says how often something was asked for, and when first and last. The zero value is what a wish list of
// an older modferry says: nothing.
type asked struct {
	count       int
	first, last time.Time
}

// plus joins what is known of the same wish.
func (a asked) plus(b asked) asked {
	if a.first.IsZero() || !b.first.IsZero() && b.first.Before(a.first) {
		a.first = b.first
	}
	if b.last.After(a.last) {
		a.last = b.last
	}
	a.count += b.count
	return a
}

func formatWish(wish string, a asked) string {
	first, last := a.first.UTC().Format(time.RFC3339), a.last.UTC().Format(time.RFC3339)
	switch {
	case a.count <= 0:
		return wish
	case a.count == 1:
		return wish + "  # once, " + last
	}
	return fmt.Sprintf("%s  # %d times, %s to %s", wish, a.count, first, last)
}

// parseWish returns the wish in a line of the file, which is empty if there is none, and what the comment says about
// it. A line is ours if formatWish would write it.
func parseWish(line string) (wish string, a asked, ours bool) {
	if !strings.Contains(line, "#") {
		return line, asked{}, line != ""
	}
	wish, _, _ = strings.Cut(line, "#")
	wish = strings.TrimSpace(wish)
	comment, ok := strings.CutPrefix(line, wish+"  # ")
	if !ok || wish == "" {
		return wish, asked{}, false
	}
	var first, last string
	if at, once := strings.CutPrefix(comment, "once, "); once {
		a.count, first, last = 1, at, at
	} else if _, err := fmt.Sscanf(comment, "%d times, %s to %s", &a.count, &first, &last); err != nil {
		return wish, asked{}, false
	}
	var err1, err2 error
	a.first, err1 = time.Parse(time.RFC3339, first)
	a.last, err2 = time.Parse(time.RFC3339, last)
	if err1 != nil || err2 != nil || formatWish(wish, a) != line {
		return wish, asked{}, false
	}
	return wish, a, true
}
