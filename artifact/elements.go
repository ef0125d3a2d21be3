package artifact

import (
	"regexp"
	"strconv"
	"strings"
)

// Forms of elements in repository names, as "Repository names" has them. What looks encoded is a matter of the syntax
// only: the patch need not fit the base.
var (
	natural      = regexp.MustCompile(`^[a-z0-9]+([._-][a-z0-9]+)*$`)
	long         = regexp.MustCompile(`^` + longPrefix + `[0-9a-f]{64}$`)
	looksEncoded = regexp.MustCompile(`(?s)^.+_(n|([0-9]*[udlhtx])+)$|` + long.String())
)

// dropped are the punctuation that a repository name may lack, and their steps' ops.
const (
	dropped = "~._-"
	dropOps = "tdlh"
)

// encodeElem encodes one element of a module path. What it makes of other text does not decode to that.
func encodeElem(elem string) string {
	if natural.MatchString(elem) {
		if elem == "referrers" || looksEncoded.MatchString(elem) {
			return elem + "_n"
		}
		return elem
	}
	var (
		base, patch []byte
		keep        int64 // characters kept since the last step
		lastAlnum   = len(strings.TrimRight(elem, dropped)) - 1
	)
	step := func(op byte) {
		if keep > 0 {
			patch = strconv.AppendInt(patch, keep, 10)
			keep = 0
		}
		patch = append(patch, op)
	}
	for i := range len(elem) {
		c := elem[i]
		switch {
		case isUpper(c):
			step('u')
			base = append(base, c|0x20)
		case isAlnum(c),
			// Punctuation stays where it stands single between two characters.
			c != '~' && i < lastAlnum && len(base) > 0 && isAlnum(base[len(base)-1]):
			keep++
			base = append(base, c)
		default:
			step(dropOps[max(0, strings.IndexByte(dropped, c))]) // what no module path has need not come back
		}
	}
	if len(base) == 0 {
		step('x')
		base = append(base, '0')
	}
	return string(base) + "_" + string(patch)
}

// decodeElem undoes encodeElem. It accepts more than encodeElem returns: the
// caller encodes the result again and compares.
func decodeElem(enc string) (elem string, ok bool) {
	i := strings.LastIndexByte(enc, '_')
	if i < 0 || !looksEncoded.MatchString(enc) {
		return enc, enc != ""
	}
	if long.MatchString(enc) {
		return "", false
	}
	base, patch := enc[:i], enc[i+1:]
	if patch == "n" {
		return base, true
	}
	var b strings.Builder
	for patch != "" {
		digits := 0
		for isDigit(patch[digits]) {
			digits++
		}
		keep := 0
		if digits > 0 {
			var err error
			if keep, err = strconv.Atoi(patch[:digits]); err != nil {
				return "", false
			}
		}
		if keep > len(base) {
			return "", false
		}
		b.WriteString(base[:keep])
		base = base[keep:]
		switch op := patch[digits]; op {
		case 'u':
			if base == "" || !isLower(base[0]) {
				return "", false
			}
			b.WriteByte(base[0] &^ 0x20)
			base = base[1:]
		case 'x':
			if base != "0" {
				return "", false
			}
			base = ""
		default:
			b.WriteByte(dropped[strings.IndexByte(dropOps, op)])
		}
		patch = patch[digits+1:]
	}
	b.WriteString(base)
	return b.String(), true
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
func isLower(c byte) bool { return 'a' <= c && c <= 'z' }
func isUpper(c byte) bool { return 'A' <= c && c <= 'Z' }
func isAlnum(c byte) bool { return isLower(c) || isDigit(c) }
