package ocilayout

import (
	"encoding/json"
	"io"
	"slices"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// A Tag is an entry of the index.json of a layout.
type Tag struct {
	Repository, Tag string
	Descriptor      ocispec.Descriptor // of the manifest
}

// WriteIndex writes the index.json of a layout with these tags, in any order: what a store in such a directory would
// write. Of several entries for one tag the last one counts.
func WriteIndex(w io.Writer, tags []Tag) error {
	x := index{members: make(map[string]json.RawMessage)}
	if err := json.Unmarshal([]byte(emptyIndex), &x.members); err != nil {
		return err
	}
	delete(x.members, "manifests")
	for _, t := range tags {
		e, err := newEntry(t.Repository, t.Tag, t.Descriptor)
		if err != nil {
			return err
		}
		x.sorted = append(x.sorted, e)
	}
	slices.SortStableFunc(x.sorted, func(a, b entry) int { return strings.Compare(a.ref, b.ref) })
	return x.write(w)
}
