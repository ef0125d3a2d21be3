package ocilayout

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	oras "oras.land/oras-go/v2/registry"
)

// emptyIndex is the index.json of a new layout.
const emptyIndex = `{"schemaVersion":2,"mediaType":"` + ocispec.MediaTypeImageIndex + `","manifests":[]}`

// How encode arranges index.json: one entry a line, for people and for splitIndex.
const (
	beforeEntries  = "\"manifests\":[\n"
	betweenEntries = ",\n"
	afterEntries   = "\n]\n}\n"
)

// layoutIndex is an index.json in memory. What this package has no use for is kept
// as it was read: members of the document, members of an entry, entries
// without a ref name or with one that is no "<repository>:<tag>".
type index struct {
	members map[string]json.RawMessage   // of the document, without manifests
	unnamed []json.RawMessage            // entries without a ref name, in their order
	named   map[string][]json.RawMessage // entries by ref name, those of one name in their order
	tags    map[string]map[string]ocispec.Descriptor
}

// layoutEntry is one entry of index.json and one line of the journal.
type entry struct {
	ref, repo, tag string
	desc           ocispec.Descriptor // without annotations; only if repo != ""
	raw            json.RawMessage    // one line
}

// newLayoutEntry returns the entry that makes tag of repo name d.
func newLayoutEntry(repo, tag string, d ocispec.Descriptor) (entry, error) {
	e := entry{ref: repo + ":" + tag, repo: repo, tag: tag}
	e.desc = ocispec.Descriptor{MediaType: d.MediaType, Digest: d.Digest, Size: d.Size}
	named := e.desc
	named.Annotations = map[string]string{ocispec.AnnotationRefName: e.ref}
	var err error
	e.raw, err = json.Marshal(named)
	return e, err
}

// parseEntry reads an entry. One with a "<repository>:<tag>" must be a whole
// descriptor, so that a name never silently points nowhere.
func (x *index) parseEntry(data []byte) (entry, error) {
	e := entry{raw: data}
	d, ok := parseOwnEntry(string(data))
	if !ok {
		var foreign *ocispec.Descriptor
		if err := json.Unmarshal(data, &foreign); err != nil {
			return e, err
		}
		if foreign == nil {
			return e, errors.New("null is no descriptor")
		}
		var line bytes.Buffer
		if err := json.Compact(&line, data); err != nil {
			return e, err
		}
		d, e.raw = *foreign, line.Bytes()
	}
	e.ref = d.Annotations[ocispec.AnnotationRefName]
	i := strings.LastIndexByte(e.ref, ':')
	if i < 0 {
		return e, nil
	}
	name := oras.Reference{Repository: e.ref[:i], Reference: e.ref[i+1:]}
	known := x.tags[name.Repository] != nil
	if !known && name.ValidateRepository() != nil || name.ValidateReferenceAsTag() != nil {
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

// parseOwnEntry reads an entry written by newLayoutEntry. It is here because a start
// reads thousands of them, and encoding/json takes ten times as long.
func parseOwnEntry(line string) (ocispec.Descriptor, bool) {
	rest, ok1 := strings.CutPrefix(line, `{"mediaType":"`)
	mediaType, rest, ok2 := strings.Cut(rest, `","digest":"`)
	dgst, rest, ok3 := strings.Cut(rest, `","size":`)
	size, rest, ok4 := strings.Cut(rest, `,"annotations":{"`+ocispec.AnnotationRefName+`":"`)
	ref, ok5 := strings.CutSuffix(rest, `"}}`)
	n, err := strconv.ParseInt(size, 10, 64)
	if !(ok1 && ok2 && ok3 && ok4 && ok5) || err != nil || strconv.FormatInt(n, 10) != size {
		return ocispec.Descriptor{}, false
	}
	for _, s := range []string{mediaType, dgst, ref} {
		for i := range len(s) {
			if s[i] < ' ' || s[i] > '~' || s[i] == '"' || s[i] == '\\' {
				return ocispec.Descriptor{}, false // not as short as JSON can be
			}
		}
	}
	return ocispec.Descriptor{
		MediaType:   mediaType,
		Digest:      digest.Digest(dgst),
		Size:        n,
		Annotations: map[string]string{ocispec.AnnotationRefName: ref},
	}, true
}

// parseIndex reads an index.json (image-spec 1.1, image-index.md).
func parseIndex(data []byte) (*index, error) {
	x, err := buildIndex(splitIndex(data))
	if err != nil {
		x, err = buildIndex(data, nil)
	}
	return x, err
}

// splitIndex takes an index.json that encode wrote apart into a document without
// manifests and the entries. On any other it returns what buildIndex refuses: an
// entry cut through is no JSON, nor is a document cut open.
func splitIndex(data []byte) (document []byte, entries [][]byte) {
	head, list, _ := bytes.Cut(data, []byte(beforeEntries))
	list, ok := bytes.CutSuffix(list, []byte(afterEntries))
	if !ok {
		return nil, nil
	}
	document = slices.Concat(head, []byte(`"manifests":[]}`))
	return document, bytes.Split(list, []byte(betweenEntries))
}

// buildIndex reads the document and adds entries to those it has.
func buildIndex(document []byte, entries [][]byte) (*index, error) {
	x := &index{
		named: map[string][]json.RawMessage{},
		tags:  map[string]map[string]ocispec.Descriptor{},
	}
	if err := json.Unmarshal(document, &x.members); err != nil {
		return nil, err
	}
	if v := string(x.members["schemaVersion"]); v != "2" {
		return nil, fmt.Errorf("schemaVersion is %q, not 2", v)
	}
	var inside []json.RawMessage
	if err := json.Unmarshal(x.members["manifests"], &inside); err != nil {
		return nil, fmt.Errorf("manifests: %w", err)
	}
	delete(x.members, "manifests")
	for _, raw := range inside {
		entries = append(entries, raw)
	}
	for i, raw := range entries {
		e, err := x.parseEntry(raw)
		if err != nil {
			return nil, fmt.Errorf("entry %d: %w", i, err)
		}
		x.add(e)
	}
	return x, nil
}

// add appends e; of several entries with one name the last is what the name resolves to.
func (x *index) add(e entry) {
	if e.ref == "" {
		x.unnamed = append(x.unnamed, e.raw)
		return
	}
	x.named[e.ref] = append(x.named[e.ref], e.raw)
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
	have := x.named[e.ref]
	return len(have) == 1 && bytes.Equal(have[0], e.raw)
}

// apply replays whole lines of the journal. A line that is no tag's entry is
// skipped: after a power cut, blocks of lines never acknowledged may hold anything,
// and those around it are good or fail this check as well.
func (x *index) apply(lines []byte) {
	for line := range bytes.Lines(lines) {
		if e, err := x.parseEntry(bytes.TrimSuffix(line, []byte("\n"))); err == nil && e.repo != "" {
			delete(x.named, e.ref)
			x.add(e)
		}
	}
}

// encode returns the same bytes for the same content, whatever its history.
func (x *index) encode() ([]byte, error) {
	var out bytes.Buffer
	out.WriteString("{\n")
	for _, key := range slices.Sorted(maps.Keys(x.members)) {
		name, err := json.Marshal(key)
		if err != nil {
			return nil, err
		}
		out.Write(name)
		out.WriteByte(':')
		if err := json.Compact(&out, x.members[key]); err != nil {
			return nil, err
		}
		out.WriteString(",\n")
	}
	out.WriteString(beforeEntries)
	sep := ""
	write := func(entries []json.RawMessage) {
		for _, raw := range entries {
			out.WriteString(sep)
			out.Write(raw)
			sep = betweenEntries
		}
	}
	write(x.unnamed)
	for _, ref := range slices.Sorted(maps.Keys(x.named)) {
		write(x.named[ref])
	}
	out.WriteString(afterEntries)
	return out.Bytes(), nil
}
