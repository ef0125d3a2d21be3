package bundle

import (
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/opencontainers/go-digest"
)

// A Sum is a SHA-256 digest. Bundles hold very many of them.
type Sum [32]byte

const sumPrefix = "sha256:"

// SumOf returns d as a Sum. It must be "sha256:" and 64 hexadecimal digits in lower case.
func SumOf(d digest.Digest) (s Sum, err error) {
	text, ok := strings.CutPrefix(string(d), sumPrefix)
	if !ok || len(text) != 2*len(s) || text != strings.ToLower(text) {
		return s, fmt.Errorf("%.80q is not a sha256 digest", string(d))
	}
	_, err = hex.Decode(s[:], []byte(text))
	return s, err
}

// Digest returns it as others write it.
func (s Sum) Digest() digest.Digest { return digest.Digest(s.String()) }

// String returns "sha256:" and the digits.
func (s Sum) String() string { return sumPrefix + s.hex() }

func (s Sum) hex() string { return hex.EncodeToString(s[:]) }

// MarshalText returns the digest's text, or nothing for the zero value.
func (s Sum) MarshalText() ([]byte, error) {
	if s == (Sum{}) {
		return nil, nil
	}
	return []byte(s.String()), nil
}

// UnmarshalText reads what MarshalText returns.
func (s *Sum) UnmarshalText(text []byte) (err error) {
	if len(text) == 0 {
		*s = Sum{}
		return nil
	}
	*s, err = SumOf(digest.Digest(text))
	return err
}

// sumOfName returns the digest that the name of a file in a layout has.
func sumOfName(name string) (Sum, error) {
	hex, ok := strings.CutPrefix(name, blobsDir+"/")
	if !ok {
		return Sum{}, fmt.Errorf("%.100q is no file of a layout", name)
	}
	return SumOf(digest.Digest(sumPrefix + hex))
}
