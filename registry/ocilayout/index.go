package ocilayout

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	oras "oras.land/oras-go/v2/registry"
)

// emptyIndex is the index.json of a new layout.
const emptyIndex = `{"schemaVersion":2,"mediaType":"` + ocispec.MediaTypeImageIndex + `","manifests":[]}`

// index is an index.json in memory. What this package has no use for is kept as it was read: members of the document,
// members of an entry, entries without a ref name or with one that is no "<repository>:<tag>".
type index struct {
	members map[string]json.RawMessage               // of the document, without manifests
	entries map[string][]json.RawMessage             // by ref name, "" for none; those of one name in their order
	tags    map[string]map[string]ocispec.Descriptor // by repository and tag
}

// entry is one entry of index.json and one line of the journal.
type entry struct {
	ref, repo, tag string             // repo and tag are empty if ref is no "<repository>:<tag>"
	desc           ocispec.Descriptor // without annotations; only if repo is not empty
	raw            json.RawMessage
}

// newEntry returns the entry that makes tag of repo name d.
func newEntry(repo, tag string, d ocispec.Descriptor) (entry, error) {
	d = ocispec.Descriptor{MediaType: d.MediaType, Digest: d.Digest, Size: d.Size}
	named, ref := d, repo+":"+tag
	named.Annotations = map[string]string{ocispec.AnnotationRefName: ref}
	raw, err := json.Marshal(named)
	return entry{ref: ref, repo: repo, tag: tag, desc: d, raw: raw}, err
}

// parseEntry reads an entry. One with a "<repository>:<tag>" must be a whole
// descriptor, so that a name never silently points nowhere.
func parseEntry(raw []byte) (entry, error) {
	e := entry{raw: raw}
	var d *struct { // of a Descriptor what is needed, as thousands are read at a start
		MediaType   string        `json:"mediaType"`
		Digest      digest.Digest `json:"digest"`
		Size        int64         `json:"size"`
		Annotations struct {
			RefName string `json:"org.opencontainers.image.ref.name"`
		} `json:"annotations"`
	}
	if err := json.Unmarshal(raw, &d); err != nil {
		return e, err
	}
	if d == nil {
		return e, errors.New("null is no descriptor")
	}
	e.ref = d.Annotations.RefName
	i := strings.LastIndexByte(e.ref, ':')
	if i < 0 {
		return e, nil
	}
	name := oras.Reference{Repository: e.ref[:i], Reference: e.ref[i+1:]}
	if name.ValidateRepository() != nil || name.ValidateReferenceAsTag() != nil {
		return e, nil
	}
	if err := d.Digest.Validate(); err != nil {
		return e, fmt.Errorf("%s: digest %q: %w", e.ref, d.Digest, err)
	}
	if d.Size < 0 {
		return e, fmt.Errorf("%s: size %d", e.ref, d.Size)
	}
	e.repo, e.tag = name.Repository, name.Reference
	e.desc = ocispec.Descriptor{MediaType: d.MediaType, Digest: d.Digest, Size: d.Size}
	return e, nil
}

// parseIndex reads an index.json (image-spec 1.1, image-index.md).
func parseIndex(data []byte) (*index, error) {
	x := &index{
		entries: map[string][]json.RawMessage{},
		tags:    map[string]map[string]ocispec.Descriptor{},
	}
	if err := json.Unmarshal(data, &x.members); err != nil {
		return nil, err
	}
	if v := string(x.members["schemaVersion"]); v != "2" {
		return nil, fmt.Errorf("schemaVersion is %q, not 2", v)
	}
	var entries []json.RawMessage
	if err := json.Unmarshal(x.members["manifests"], &entries); err != nil {
		return nil, fmt.Errorf("manifests: %w", err)
	}
	delete(x.members, "manifests")
	for i, raw := range entries {
		e, err := parseEntry(raw)
		if err != nil {
			return nil, fmt.Errorf("entry %d: %w", i, err)
		}
		x.add(e)
	}
	return x, nil
}

// add appends e; of several entries with one name the last is what the name resolves to.
func (x *index) add(e entry) {
	x.entries[e.ref] = append(x.entries[e.ref], e.raw)
	if e.repo == "" {
		return
	}
	if x.tags[e.repo] == nil {
		x.tags[e.repo] = map[string]ocispec.Descriptor{}
	}
	x.tags[e.repo][e.tag] = e.desc
}

// has reports whether the index has exactly the entry e, so that adding it changes nothing.
func (x *index) has(e entry) bool {
	have := x.entries[e.ref]
	return len(have) == 1 && bytes.Equal(have[0], e.raw)
}

// apply replays whole lines of the journal. A line that is no tag's entry is skipped: after a power cut, blocks of
// lines never acknowledged may hold anything, and those around it are good or fail this check as well.
func (x *index) apply(lines []byte) {
	for line := range bytes.Lines(lines) {
		if e, err := parseEntry(bytes.TrimSuffix(line, []byte("\n"))); err == nil && e.repo != "" {
			delete(x.entries, e.ref)
			x.add(e)
		}
	}
}

// encode returns the same bytes for the same content, whatever its history: one entry a line, for people.
func (x *index) encode() ([]byte, error) {
	var out bytes.Buffer
	document := json.NewEncoder(&out)
	document.SetEscapeHTML(false)
	if err := document.Encode(x.members); err != nil {
		return nil, err
	}
	out.Truncate(out.Len() - len("}\n"))
	out.WriteString(`,"manifests":[`)
	sep := "\n"
	for _, ref := range slices.Sorted(maps.Keys(x.entries)) {
		for _, raw := range x.entries[ref] {
			out.WriteString(sep)
			if err := json.Compact(&out, raw); err != nil {
				return nil, err
			}
			sep = ",\n"
		}
	}
	out.WriteString("\n]}\n")
	return out.Bytes(), nil
}
