package wishlist

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/modferry/modferry/proxyshim"
)

// Wish is the line of a list for mirror that would have prevented the miss.
func Wish(m proxyshim.Miss) string {
	switch {
	case m.Module.Version != "" && !m.Named:
		return m.Module.Path + " " + m.Module.Version
	case m.Module.Version != "":
		return m.Module.String()
	case m.Query == "" || m.Query == "list":
		return m.Module.Path + "@latest"
	}
	return m.Module.Path + "@" + m.Query
}

// merge adds news to the text of a wish list.
func merge(data []byte, news map[string]requests) []byte {
	var b bytes.Buffer
	wishes, counted := make(map[string]bool), make(map[string]bool)
	for line := range strings.Lines(string(data)) {
		body := strings.TrimRight(line, "\r\n")
		wish, n, ours := parse(strings.TrimSpace(body))
		if wish != "" {
			wishes[wish] = true
		}
		if more, ok := news[wish]; ok && ours && !counted[wish] {
			counted[wish] = true
			line = format(wish, n.plus(more)) + line[len(body):]
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
		line := format(wish, news[wish]) + "\n"
		if len(wishes) >= maxWishes || b.Len()+len(line) > maxSize {
			break
		}
		b.WriteString(line)
		wishes[wish] = true
	}
	return b.Bytes()
}

// requests says how often something was asked for, and when first and last. The zero value is what a line without a
// count says: nothing.
type requests struct {
	count       int
	first, last time.Time
}

// plus joins what is known of the same wish.
func (r requests) plus(s requests) requests {
	if r.first.IsZero() || !s.first.IsZero() && s.first.Before(r.first) {
		r.first = s.first
	}
	if s.last.After(r.last) {
		r.last = s.last
	}
	r.count += s.count
	return r
}

func format(wish string, n requests) string {
	first, last := n.first.UTC().Format(time.RFC3339), n.last.UTC().Format(time.RFC3339)
	switch {
	case n.count <= 0:
		return wish
	case n.count == 1:
		return wish + "  # once, " + last
	}
	return fmt.Sprintf("%s  # %d times, %s to %s", wish, n.count, first, last)
}

var countComment = regexp.MustCompile(`^  # (?:once,|(\d+) times, (\S+) to) (\S+)$`)

// parse returns the wish in a line of the file, which is empty if there is none, and what the comment says about
// it. A line is ours if format would write it.
func parse(line string) (wish string, n requests, ours bool) {
	wish, _, commented := strings.Cut(line, "#")
	wish = strings.TrimSpace(wish)
	if !commented || wish == "" {
		return wish, requests{}, wish != ""
	}
	m := countComment.FindStringSubmatch(strings.TrimPrefix(line, wish))
	if m == nil {
		return wish, requests{}, false
	}
	n.count, _ = strconv.Atoi(cmp.Or(m[1], "1")) // what is malformed is not what format would write
	n.first, _ = time.Parse(time.RFC3339, cmp.Or(m[2], m[3]))
	n.last, _ = time.Parse(time.RFC3339, m[3])
	if format(wish, n) != line {
		return wish, requests{}, false
	}
	return wish, n, true
}
