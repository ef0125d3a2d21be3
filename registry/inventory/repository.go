package inventory

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/modferry/modferry/artifact"
)

// Lengths of the beginnings of digests in the text, in hexadecimal digits.
const (
	shortDigest     = 16
	shortSignatures = 8
)

// Repository is what a store holds in one repository. Tags and Blobs are sorted and have nothing twice.
type Repository struct {
	Name  string          `json:"repository"`       // below the store's namespace
	Path  string          `json:"module,omitempty"` // of the module, as far as the name tells; "" for others
	Tags  []Tag           `json:"tags"`
	Blobs []digest.Digest `json:"blobs,omitempty"` // of a checksum database's snapshots: all that their manifests list
}

// Tag is a tag with what it names.
type Tag struct {
	Name       string        `json:"tag"`
	Digest     digest.Digest `json:"digest"`
	Signatures digest.Digest `json:"signatures,omitempty"` // of the manifest with its signatures; "" = none
	// Referrers is the digest of the list of referrers under the tag sha256-<hex> (distribution-spec 1.1, "Referrers
	// Tag Schema"); "" = there is none, or the registry keeps it elsewhere.
	Referrers digest.Digest `json:"referrers,omitempty"`
}

// path returns the module path that a repository's name tells.
func path(name string) string {
	path, err := artifact.ModulePath(name)
	if err != nil {
		return ""
	}
	return path
}

// short is a Repository as the text has it.
type short struct {
	name  string
	tags  []shortTag
	blobs []string
}

type shortTag struct{ name, manifest, signatures, referrers string }

func (r Repository) short() short {
	s := short{name: r.Name}
	for _, t := range r.Tags {
		s.tags = append(s.tags, shortTag{
			t.Name, begin(t.Digest, shortDigest), begin(t.Signatures, shortSignatures), begin(t.Referrers, shortSignatures),
		})
	}
	for _, b := range r.Blobs {
		s.blobs = append(s.blobs, begin(b, shortDigest))
	}
	return s
}

// begin returns the first n hexadecimal digits of a digest, "" of none.
func begin(d digest.Digest, n int) string {
	_, hex, _ := strings.Cut(string(d), ":")
	return hex[:min(n, len(hex))]
}

// line returns the repository as a line of the text.
func (s short) line() string {
	var b strings.Builder
	b.WriteString(s.name)
	for _, t := range s.tags {
		b.WriteString(" " + t.name + "=" + t.manifest)
		if t.signatures != "" {
			b.WriteString("." + t.signatures)
		}
		if t.referrers != "" {
			b.WriteString("+" + t.referrers)
		}
	}
	for _, blob := range s.blobs {
		b.WriteString(" #" + blob)
	}
	b.WriteByte('\n')
	return b.String()
}

// check checks everything that both forms demand.
func (s short) check() error {
	switch {
	case !isRepository(s.name):
		return fmt.Errorf("%.100q is not a repository", s.name)
	case len(s.tags) == 0:
		return fmt.Errorf("%s has no tag", s.name)
	}
	for _, t := range s.tags {
		if !isTag(t.name) || !isHex(t.manifest, shortDigest) || !isOptional(t.signatures) || !isOptional(t.referrers) {
			return fmt.Errorf("%s: tag %.130q with the digests %.20q, %.20q and %.20q", s.name, t.name, t.manifest, t.signatures, t.referrers)
		}
	}
	if !ascends(s.tags, func(a, b shortTag) int { return cmp.Compare(a.name, b.name) }) || !ascends(s.blobs, cmp.Compare) {
		return fmt.Errorf("%s: its tags or blobs are not sorted, or one is there twice", s.name)
	}
	for _, b := range s.blobs {
		if !isHex(b, shortDigest) {
			return fmt.Errorf("%s: blob %.20q", s.name, b)
		}
	}
	return nil
}

func ascends[T any](list []T, compare func(a, b T) int) bool {
	for i := range list[min(1, len(list)):] {
		if compare(list[i], list[i+1]) >= 0 {
			return false
		}
	}
	return true
}

func isOptional(s string) bool { return s == "" || isHex(s, shortSignatures) }

func isHex(s string, n int) bool {
	return len(s) == n && strings.Trim(s, "0123456789abcdef") == ""
}

// isTag holds a tag against the distribution specification's grammar.
func isTag(s string) bool {
	return s != "" && len(s) <= 128 && !strings.HasPrefix(s, ".") && !strings.HasPrefix(s, "-") &&
		strings.Trim(s, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ._-") == ""
}

// isRepository reports whether s has no other characters than a repository's name: it is only compared.
func isRepository(s string) bool {
	elements := strings.Split(s, "/")
	return len(s) <= 255 && !slices.Contains(elements, "") && strings.Trim(s, "0123456789abcdefghijklmnopqrstuvwxyz._-/") == ""
}
