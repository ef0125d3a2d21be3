package mirrorfile

import (
	"strings"
)

// suggestion says which of the known words somebody may have meant.
func suggestion(word string, known []string) string {
	if best := nearest(word, known); best != "" {
		return "did you mean " + best + "?"
	}
	return "there are " + strings.Join(known, ", ")
}

// nearest returns the known word that is the most like another one; "" if none
// is at all.
func nearest(word string, known []string) string {
	const longest = 32 // no word that is longer is like any
	if len(word) > longest {
		return ""
	}
	best, least := "", 0
	for _, k := range known {
		d := distance(strings.ToLower(word), strings.ToLower(k))
		if d <= max(1, len(k)/3) && (best == "" || d < least) {
			best, least = k, d
		}
	}
	return best
}

// distance counts the bytes to insert, to delete, to replace or to swap with
// their neighbour to make a into b.
func distance(a, b string) int {
	d := make([][]int, len(a)+1) // of each beginning of a to each of b
	for i := range d {
		d[i] = make([]int, len(b)+1)
		for j := range d[i] {
			switch {
			case i == 0 || j == 0:
				d[i][j] = i + j
			case a[i-1] == b[j-1]:
				d[i][j] = d[i-1][j-1]
			default:
				d[i][j] = 1 + min(d[i-1][j-1], d[i-1][j], d[i][j-1])
			}
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				d[i][j] = min(d[i][j], d[i-2][j-2]+1)
			}
		}
	}
	return d[len(a)][len(b)]
}
