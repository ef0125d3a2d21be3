package ocilayout

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// manifestsStart ends the first line of an index.json of this package.
const manifestsStart = `"manifests":[`

// index is an index.json in memory, with the journal applied.
type index struct {
	members map[string]json.RawMessage // of the document, without manifests, also those not known here
	sorted  []entry                    // of index.json, by ref
	journal tags                       // in place of those
	others  []other                    // of index.json, in their order

	// What the others are, for what is in none of the above; and by a name that their manifests do not
	// agree with: who asks for that is to see what he gets.
	foreign, misnamed tags

	referrers map[digest.Digest][]ocispec.Descriptor // among the others, by the digest of their subject
}

// tags are the entries of each repository, sorted by tag. Most have two or three, for which a map takes four times as much
// memory.
type tags map[string][]entry

// add adds an entry, in place of one that has its ref.
func (t tags) add(e entry) {
	repo := e.ref[:strings.LastIndexByte(e.ref, ':')]
	i, there := slices.BinarySearchFunc(t[repo], e.ref, compareRef)
	if there {
		t[repo][i] = e
		return
	}
	t[repo] = slices.Insert(t[repo], i, e)
}

func (t tags) find(repo, tag string) (e entry, ok bool) {
	i, ok := slices.BinarySearchFunc(t[repo], repo+":"+tag, compareRef)
	if ok {
		e = t[repo][i]
	}
	return e, ok
}

// parseIndex reads an index.json (image-spec 1.1, image-index.md).
func parseIndex(text string) (*index, error) {
	x := &index{journal: tags{}, foreign: tags{}, misnamed: tags{}, referrers: map[digest.Digest][]ocispec.Descriptor{}}
	var rest string
	x.sorted, rest = cutEntries(text)
	if err := json.Unmarshal([]byte(rest), &x.members); err != nil {
		return nil, err
	}
	if v := string(x.members["schemaVersion"]); v != "2" {
		return nil, fmt.Errorf("schemaVersion is %q, not 2", v)
	}
	var raws []json.RawMessage
	if err := json.Unmarshal(x.members["manifests"], &raws); err != nil {
		return nil, fmt.Errorf("manifests: %w", err)
	}
	delete(x.members, "manifests")
	for i, raw := range raws {
		o, err := parseOther(raw)
		if err != nil {
			return nil, fmt.Errorf("entry %d: %w", len(x.sorted)+i, err)
		}
		x.others = append(x.others, o)
	}
	return x, nil
}

// cutEntries cuts the lines of this package's entries, in ascending order, out of an index.json.
// The rest is JSON if and only if that is.
func cutEntries(text string) (all []entry, rest string) {
	first, body, _ := strings.Cut(text, "\n")
	if !strings.HasSuffix(first, manifestsStart) {
		return nil, text
	}
	all = make([]entry, 0, strings.Count(body, "\n"))
	for last := ""; ; {
		line, after, _ := strings.Cut(body, "\n")
		line, more := strings.CutSuffix(line, ",")
		e, ok := parseEntry(line)
		if !ok || e.ref <= last || more == strings.HasPrefix(after, "]") {
			return all, first + body
		}
		all, body, last = append(all, e), after, e.ref
	}
}

// find returns what a tag names.
func (x *index) find(repo, tag string) (entry, bool) {
	if e, ok := x.journal.find(repo, tag); ok {
		return e, true
	}
	if i, ok := slices.BinarySearchFunc(x.sorted, repo+":"+tag, compareRef); ok {
		return x.sorted[i], true
	}
	if e, ok := x.foreign.find(repo, tag); ok {
		return e, true
	}
	if e, ok := x.foreign.find(anyRepository, tag); ok {
		return e, true
	}
	return x.misnamed.find(repo, tag)
}

// inRepo returns the entries of a repository in x.sorted.
func (x *index) inRepo(repo string) []entry {
	from, _ := slices.BinarySearchFunc(x.sorted, repo+":", compareRef)
	to, _ := slices.BinarySearchFunc(x.sorted, repo+";", compareRef) // what comes after :
	return x.sorted[from:to]
}

// tags returns the tags of a repository, sorted.
func (x *index) tags(repo string) []string {
	var all []string
	for _, e := range x.inRepo(repo) {
		all = append(all, e.tag())
	}
	for _, more := range []tags{x.journal, x.foreign} {
		for _, e := range more[repo] {
			all = append(all, e.tag())
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// repositories returns the names of all repositories, sorted.
func (x *index) repositories() []string {
	var all []string
	for rest := x.sorted; len(rest) > 0; {
		repo := strings.TrimSuffix(rest[0].ref, ":"+rest[0].tag())
		all, rest = append(all, repo), rest[len(x.inRepo(repo)):]
	}
	for _, more := range []tags{x.journal, x.foreign} {
		for repo := range more {
			if repo != anyRepository {
				all = append(all, repo)
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// apply replays whole lines of the journal, also of those of earlier versions of this package, which had the members
// in another order. A line that is no entry is skipped: after a power cut, blocks of lines never acknowledged may
// hold anything, and those around it are good or fail this check as well.
func (x *index) apply(lines string) {
	for line := range strings.Lines(lines) {
		if e, ok := parseEntry(strings.TrimSuffix(line, "\n")); ok {
			x.journal.add(e)
		} else if o, err := parseOther([]byte(line)); err == nil && o.plain {
			x.journal.add(o.entry)
		}
	}
}

// write writes the same bytes for the same content, whatever its history: one entry a line, for people.
func (x *index) write(w io.Writer) error {
	all := slices.Clone(x.sorted)
	for _, entries := range x.journal {
		all = append(all, entries...)
	}
	slices.SortStableFunc(all, func(a, b entry) int { return cmp.Compare(a.ref, b.ref) })

	var members bytes.Buffer
	document := json.NewEncoder(&members)
	document.SetEscapeHTML(false)
	if err := document.Encode(x.members); err != nil {
		return err
	}
	out := bufio.NewWriterSize(w, 64<<10) // which remembers an error
	out.Write(bytes.TrimSuffix(members.Bytes(), []byte("}\n")))
	out.WriteString("," + manifestsStart)
	sep := "\n"
	for i, e := range all {
		if i+1 < len(all) && all[i+1].ref == e.ref { // replaced by the journal
			continue
		}
		out.WriteString(sep + e.line())
		sep = ",\n"
	}
	for _, o := range x.others {
		if _, replaced := slices.BinarySearchFunc(all, o.ref, compareRef); replaced {
			continue
		}
		var line bytes.Buffer
		if err := json.Compact(&line, o.raw); err != nil {
			return err
		}
		out.WriteString(sep + line.String())
		sep = ",\n"
	}
	out.WriteString("\n]}\n")
	return out.Flush()
}
