package artifact

import (
	"strconv"
	"strings"
)

// encodeElem encodes one element of a valid module path.
func encodeElem(elem string) string {
	if isNatural(elem) {
		if elem == "referrers" || looksEncoded(elem) {
			return elem + "_n"
		}
		return elem
	}
	var (
		base, patch []byte
		keep        int64 // characters kept since the last step
		lastAlnum   = lastIndexAlnum(elem)
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
			step(dropOp(c))
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
	if i < 0 || !looksEncoded(enc) {
		return enc, enc != ""
	}
	if isLong(enc) {
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
			b.WriteByte(droppedBy(op))
		}
		patch = patch[digits+1:]
	}
	b.WriteString(base)
	return b.String(), true
}

// looksEncoded reports whether s ends like an encoded element. It is a matter
// of the syntax only: the patch need not fit the base.
func looksEncoded(s string) bool {
	i := strings.LastIndexByte(s, '_')
	if i <= 0 {
		return false
	}
	patch := s[i+1:]
	if patch == "n" || isLong(s) {
		return true
	}
	op := false // whether the last character seen was an op
	for j := range len(patch) {
		switch c := patch[j]; {
		case strings.IndexByte("udlhtx", c) >= 0:
			op = true
		case isDigit(c):
			op = false
		default:
			return false
		}
	}
	return op
}

// isLong reports whether elem is a hash of a module path.
func isLong(elem string) bool {
	digits, ok := strings.CutPrefix(elem, longPrefix)
	if !ok || len(elem) != longLen {
		return false
	}
	for i := range len(digits) {
		if c := digits[i]; !isDigit(c) && (c < 'a' || 'f' < c) {
			return false
		}
	}
	return true
}

// isNatural reports whether elem can stand in a repository name as it is.
func isNatural(elem string) bool {
	punct := true // whether the last character seen was punctuation, or there was none
	for i := range len(elem) {
		switch c := elem[i]; {
		case isAlnum(c):
			punct = false
		case punct || isUpper(c) || c == '~':
			return false
		default:
			punct = true
		}
	}
	return !punct
}

// dropOp returns the op that records the dropping of the punctuation c.
func dropOp(c byte) byte {
	switch c {
	case '.':
		return 'd'
	case '_':
		return 'l'
	case '-':
		return 'h'
	default: // '~': module.CheckPath allows no other
		return 't'
	}
}

// droppedBy undoes dropOp.
func droppedBy(op byte) byte {
	switch op {
	case 'd':
		return '.'
	case 'l':
		return '_'
	case 'h':
		return '-'
	default:
		return '~'
	}
}

func lastIndexAlnum(s string) int {
	for i := len(s) - 1; i >= 0; i-- {
		if isAlnum(s[i]) || isUpper(s[i]) {
			return i
		}
	}
	return -1
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
func isLower(c byte) bool { return 'a' <= c && c <= 'z' }
func isUpper(c byte) bool { return 'A' <= c && c <= 'Z' }
func isAlnum(c byte) bool { return isLower(c) || isDigit(c) }
