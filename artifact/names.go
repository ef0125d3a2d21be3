package artifact

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"golang.org/x/mod/module"
)

// Repository names
//
// A module path allows letters of both cases and the punctuation - . _ ~ almost anywhere; a repository name allows
// less. Each path element is encoded by itself, so that a module and the modules below it share their prefix:
//
//	encoded = natural | base "_" patch | natural "_n" | long
//	natural = alnum+ ( ( "." | "_" | "-" ) alnum+ )*          alnum = [a-z0-9]
//	patch   = step+
//	step    = [ count ] op
//	long    = "long_z" 64*[0-9a-f]
//
// A patch turns base into the element. It walks along the base; each step keeps count characters of it (decimal,
// without leading zeros, absent for none) and then does op. What is left of the base after the last step is kept.
//
//	u        the next character of the base was upper case
//	d l h t  a "." "_" "-" "~" was dropped here
//	x        the base is a placeholder "0" for an element without letter or digit
//
// A natural element that could be read as base "_" patch, that ends in "_n", or that looks like long gets "_n"; so
// does the element "referrers", because registries confuse a repository of that name with their referrers endpoint.
//
// A name longer than maxName keeps as many leading encoded elements as fit
// before "/" long, whose digits are the SHA-256 of the module path.
const (
	maxName    = 200 // leaves 55 of the registries' 255 for the namespace
	longPrefix = "long_z"
	longLen    = len(longPrefix) + 2*sha256.Size
)

// Repository returns the name of the repository, below a store's namespace, of the module with the given path.
// Different paths have different names. The name is at most 200 characters of the distribution specification's
// repository grammar. The error for a malformed path is a [*module.InvalidPathError].
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
	hashed := longPrefix + hex.EncodeToString(sum[:])
	if fit == 0 {
		return hashed, nil
	}
	return name[:fit] + "/" + hashed, nil
}

// ModulePath returns the module path whose repository is repo: it is the inverse of [Repository]. The error matches
// [ErrLongName] if repo holds a hash of the path instead. Any other error means that repo is not a name that
// Repository returns.
func ModulePath(repo string) (string, error) {
	if len(repo) > maxName {
		return "", notRepository(repo)
	}
	elems := strings.Split(repo, "/")
	last := len(elems) - 1
	if long.MatchString(elems[last]) {
		if isPrefix(elems[:last]) {
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
