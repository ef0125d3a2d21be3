package transfer

import (
	"cmp"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/mod/semver"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/artifact/sumdb"
)

// An Item is a tag of a store that stands for something: what its manifest lists, and its signatures, go with it.
type Item struct {
	Repository, Tag string
	Descriptor      ocispec.Descriptor // of the manifest; the zero value is whatever the tag names
}

// A Kind is what an item is, by the repository and the tag that it has.
type Kind int

// The kinds. None is what does not go by itself: signatures, and what is not modferry's.
const (
	None Kind = iota
	Snapshot
	Evidence
	Version
	Revision
	Index
)

// String returns the kind in a word or two.
func (k Kind) String() string {
	return [...]string{"unknown", "checksum snapshot", "evidence", "version", "revision", "index"}[k]
}

// Kind returns what the item is.
func (it Item) Kind() Kind {
	_, head := sumdb.ParseHeadTag(it.Tag)
	switch {
	case strings.HasPrefix(it.Repository, sumdb.RepositoryPrefix):
		switch {
		case head || it.Tag == sumdb.LatestTag:
			return Snapshot
		case sumdb.IsTileIndexTag(it.Tag):
			return Index
		}
		return None
	case it.Repository == artifact.IndexRepository:
		if artifact.IsIndexTag(it.Tag) {
			return Index
		}
		return None
	}
	if _, _, ok := artifact.ParseTag(it.Tag); ok {
		return Version
	}
	if _, ok := artifact.ParseEvidenceTag(it.Tag); ok {
		return Evidence
	}
	if artifact.IsRevisionTag(it.Tag) {
		return Revision
	}
	return None
}

// String returns repository and tag.
func (it Item) String() string { return it.Repository + ":" + it.Tag }

// Compare is the order in which items are to be copied, for [slices.SortFunc]: snapshots, the latest last, so that
// versions can be confirmed; versions, each after its evidence; revisions, which mean versions; indexes, which name
// modules. Within that, by repository, and versions by their precedence.
func Compare(a, b Item) int {
	return cmp.Or(
		cmp.Compare(phase(a), phase(b)),
		strings.Compare(a.Repository, b.Repository),
		compareTags(a, b),
		strings.Compare(a.Tag, b.Tag),
	)
}

func phase(it Item) Kind {
	if k := it.Kind(); k != Version {
		return k
	}
	return Evidence
}

func compareTags(a, b Item) int {
	switch a.Kind() {
	case Snapshot:
		return cmp.Compare(headSize(a.Tag), headSize(b.Tag))
	case Version, Evidence:
		v, w := a.Version(), b.Version()
		return cmp.Or(semver.Compare(v, w), strings.Compare(v, w), cmp.Compare(a.Kind(), b.Kind()))
	}
	return 0
}

// headSize orders heads by their number of records, and the latest after all of them.
func headSize(tag string) int64 {
	if n, ok := sumdb.ParseHeadTag(tag); ok {
		return n
	}
	return sumdb.MaxRecords + 1
}

// Version returns the version that an item is or has the evidence of, as its tag tells; "" of others.
func (it Item) Version() string {
	if v, ok := artifact.ParseEvidenceTag(it.Tag); ok {
		return v
	}
	v, _, _ := artifact.ParseTag(it.Tag)
	return v
}
