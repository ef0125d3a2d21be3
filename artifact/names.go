package artifact

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/mod/module"
)

// Repository names
//
// A module path allows letters of both cases and the punctuation - . _ ~ almost
// anywhere; a repository name allows less. Each path element is encoded by
// itself, so that a module and the modules below it share their prefix:
//
//	encoded = natural | base "_" patch | natural "_n" | long
//	natural = alnum+ ( ( "." | "_" | "-" ) alnum+ )*          alnum = [a-z0-9]
//	patch   = step+
//	step    = [ count ] op
//	long    = "long_z" 64*[0-9a-f]
//
// A patch turns base into the element. It walks along the base; each step keeps
// count characters of it (decimal, without leading zeros, absent for none) and
// then does op. What is left of the base after the last step is kept.
//
//	u        the next character of the base was upper case
//	d l h t  a "." "_" "-" "~" was dropped here
//	x        the base is a placeholder "0" for an element without letter or digit
//
// A natural element that could be read as base "_" patch, that ends in "_n", or
// that looks like long gets "_n"; so does the element "referrers", because registries
// confuse a repository of that name with their referrers endpoint.
//
// A name longer than maxName keeps as many leading encoded elements as fit
// before "/" long, whose digits are the SHA-256 of the module path.
const (
	maxName    = 200 // leaves 55 of the registries' 255 for the namespace
	longPrefix = "long_z"
	longLen    = len(longPrefix) + 2*sha256.Size
)

// Repository returns the name of the repository, below a store's namespace, of
// the module with the given path. Different paths have different names. The
// name is at most 200 characters of the distribution specification's
// repository grammar. The error for a malformed path is a
// [*module.InvalidPathError].
func Repository(path string) (string, error) {
	if err := module.CheckPath(path); err != nil {
		return "", err
	}
	var b strings.Builder
	fit := 0 // length of the longest prefix of whole elements that leaves room for long
	for elem := range strings.SplitSeq(path, "/") {
		if b.Len() > 0 {
			b.WriteByte('/')
		}
		b.WriteString(encodeElem(elem))
		if b.Len()+len("/")+longLen <= maxName {
			fit = b.Len()
		}
	}
	name := b.String()
	if len(name) <= maxName {
		return name, nil
	}
	sum := sha256.Sum256([]byte(path))
	long := longPrefix + hex.EncodeToString(sum[:])
	if fit == 0 {
		return long, nil
	}
	return name[:fit] + "/" + long, nil
}

// ModulePath returns the module path whose repository is repo: it is the
// inverse of [Repository]. The error matches [ErrLongName] if repo holds a hash
// of the path instead. Any other error means that repo is not a name that
// Repository returns.
func ModulePath(repo string) (string, error) {
	if len(repo) > maxName {
		return "", notRepository(repo)
	}
	elems := strings.Split(repo, "/")
	last := len(elems) - 1
	if isLong(elems[last]) {
		if last == 0 || len(repo) <= maxName && isPrefix(elems[:last]) {
			return "", fmt.Errorf("repository %q: %w", repo, ErrLongName)
		}
		return "", notRepository(repo)
	}
	for i, elem := range elems {
		var ok bool
		if elems[i], ok = decodeElem(elem); !ok {
			return "", notRepository(repo)
		}
	}
	path := strings.Join(elems, "/")
	if again, err := Repository(path); err != nil || again != repo {
		return "", notRepository(repo)
	}
	return path, nil
}

func notRepository(repo string) error {
	return fmt.Errorf("%q is not the repository of a module", repo)
}

// isPrefix reports whether elems are canonical encodings of leading path elements.
func isPrefix(elems []string) bool {
	for _, elem := range elems {
		if plain, ok := decodeElem(elem); !ok || encodeElem(plain) != elem {
			return false
		}
	}
	return true
}

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
