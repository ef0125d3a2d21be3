package prune

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/registry"
)

// Plan says what is to be removed from a store.
type Plan struct {
	Store    string // its name; of a layout, with its whole path
	Removals []Removal
}

// Removal is a version to remove, in one of its forms, and what goes with it.
type Removal struct {
	Repository string        `json:"repository"`
	Tag        string        `json:"tag"`
	Digest     digest.Digest `json:"digest"`
	Size       int64         `json:"size"` // of the manifest and all it lists, in bytes; 0 = not known
	Reason     string        `json:"reason"`
	With       []Companion   `json:"with,omitempty"`
}

// Companion is a tag that goes with a version.
type Companion struct {
	Tag    string        `json:"tag"`
	Digest digest.Digest `json:"digest"`
}

// Tags returns how many tags the plan removes.
func (p *Plan) Tags() int {
	n := len(p.Removals)
	for _, r := range p.Removals {
		n += len(r.With)
	}
	return n
}

// Size returns how many bytes the versions have. What versions share counts for each.
func (p *Plan) Size() (size int64) {
	for _, r := range p.Removals {
		size += r.Size
	}
	return size
}

const header = "modferry prune plan 1\n"

// Write writes the plan as Parse reads it.
func (p *Plan) Write(w io.Writer) error {
	out := bufio.NewWriter(w)
	out.WriteString(header)
	fmt.Fprintf(out, "store %s\n", p.Store)
	fmt.Fprintf(out, "# %d versions, %d tags in all, %d bytes. Nothing is removed yet: take out what is to stay, each\n"+
		"# version with the lines below it, and run: modferry prune apply\n", len(p.Removals), p.Tags(), p.Size())
	last := ""
	for _, r := range p.Removals {
		if r.Repository != last {
			out.WriteByte('\n')
		}
		last = r.Repository
		fmt.Fprintf(out, "remove %s:%s %s %d %s\n", r.Repository, r.Tag, r.Digest, r.Size, line(r.Reason))
		for _, c := range r.With {
			fmt.Fprintf(out, "  with %s %s\n", c.Tag, c.Digest)
		}
	}
	return out.Flush()
}

// line makes one line of printable text out of what others wrote.
func line(s string) string {
	return strings.Join(strings.Fields(strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s)), " ")
}

func (r Removal) deletion() registry.Deletion {
	return registry.Deletion{Repository: r.Repository, Tag: r.Tag, Digest: r.Digest}
}

func (r Removal) companions() (list []registry.Deletion) {
	for _, c := range r.With {
		list = append(list, registry.Deletion{Repository: r.Repository, Tag: c.Tag, Digest: c.Digest})
	}
	return list
}

// isAbout reports whether a tag is that of the signatures of a manifest, or of the list of its referrers.
func isAbout(tag string, d digest.Digest) bool {
	return tag == sign.Tag(d) || tag == registry.ReferrersTag(d)
}

// isSignature reports whether a companion has signatures of the version or of another companion.
func (r Removal) isSignature(d registry.Deletion) bool { return r.subject(d).Tag != "" }

// subject returns what a companion has signatures of; the zero Deletion if it has none.
func (r Removal) subject(d registry.Deletion) registry.Deletion {
	for _, s := range append(r.companions(), r.deletion()) {
		if isAbout(d.Tag, s.Digest) {
			return s
		}
	}
	return registry.Deletion{}
}
