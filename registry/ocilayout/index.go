package ocilayout

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// manifestsStart ends the first line of an index.json of this package.
const manifestsStart = `"manifests":[`

// An entry is an entry of index.json, and a line of the journal, as this package writes it. See [entry.line].
type entry struct {
	ref       string // "<repository>:<tag>"
	mediaType string
	digest    string
	size      int64
}

// Of a line what is before each field of the entry.
const (
	lineRef    = `{"annotations":{"` + ocispec.AnnotationRefName + `":"`
	lineType   = `"},"mediaType":"`
	lineDigest = `","digest":"`
	lineSize   = `","size":`
	lineEnd    = `}`
)

// line returns the entry as JSON, without a newline. The name comes first, so that lines sort by it; other tools write it
// last, so that what they wrote is not mistaken for it.
func (e entry) line() string {
	return lineRef + e.ref + lineType + e.mediaType + lineDigest + e.digest + lineSize + strconv.FormatInt(e.size, 10) + lineEnd
}

// parseEntry is the reverse of line. It takes nothing else, whatever that means in JSON, as tens of thousands are read
// at a start: 0.3 µs each, where encoding/json takes 5.
func parseEntry(line string) (e entry, ok bool) {
	rest, ok1 := strings.CutPrefix(line, lineRef)
	ref, rest, ok2 := strings.Cut(rest, lineType)
	mediaType, rest, ok3 := strings.Cut(rest, lineDigest)
	digest, rest, ok4 := strings.Cut(rest, lineSize)
	digits, ok5 := strings.CutSuffix(rest, lineEnd)
	size, err := strconv.ParseInt(digits, 10, 64)
	if !ok1 || !ok2 || !ok3 || !ok4 || !ok5 || err != nil || size < 0 || digits[0] == '+' || digits[0] == '0' && size > 0 {
		return e, false
	}
	hex, ok := strings.CutPrefix(digest, "sha256:")
	if !ok || len(hex) != 64 || !consists(hex, isHex) || !consists(mediaType, isTypeByte) {
		return e, false
	}
	i := strings.LastIndexByte(ref, ':')
	if i <= 0 || i == len(ref)-1 || !consists(ref[:i], isRepoByte) || !consists(ref[i+1:], isTagByte) {
		return e, false
	}
	return entry{ref: ref, mediaType: mediaType, digest: digest, size: size}, true
}

func consists(s string, of func(byte) bool) bool {
	for i := range len(s) {
		if !of(s[i]) {
			return false
		}
	}
	return true
}

func isHex(c byte) bool      { return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' }
func isTagByte(c byte) bool  { return isRepoByte(c) && c != '/' || 'A' <= c && c <= 'Z' }
func isTypeByte(c byte) bool { return isTagByte(c) || c == '/' || c == '+' }
func isRepoByte(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || c == '.' || c == '_' || c == '-' || c == '/'
}

// newEntry returns the entry that makes tag of repo name d.
func newEntry(repo, tag string, d ocispec.Descriptor) (entry, error) {
	e := entry{ref: repo + ":" + tag, mediaType: d.MediaType, digest: string(d.Digest), size: d.Size}
	if _, ok := parseEntry(e.line()); !ok {
		return e, fmt.Errorf("%s names %q with the digest %q, which index.json does not take", e.ref, d.MediaType, d.Digest)
	}
	return e, nil
}

func (e entry) descriptor() ocispec.Descriptor {
	return ocispec.Descriptor{MediaType: e.mediaType, Digest: digest.Digest(e.digest), Size: e.size}
}

func (e entry) tag() string { return e.ref[strings.LastIndexByte(e.ref, ':')+1:] }

func compareRef(e entry, ref string) int { return strings.Compare(e.ref, ref) }

// An other is an entry as another tool wrote it. It is kept as it is.
type other struct {
	entry        // without a ref if its name is no "<repository>:<tag>"
	name  string // its ref name, whatever that is
	plain bool   // there is nothing more in it than in an entry of this package
	raw   json.RawMessage
}

// index is an index.json in memory, with the journal applied.
type index struct {
	members map[string]json.RawMessage // of the document, without manifests, also those not known here
	sorted  []entry                    // of index.json, by ref
	journal tags                       // in place of those
	others  []other                    // of index.json, in their order

	// What the others are, for what is in none of the above; and by a name that their manifests do not
	// agree with: who asks for that is to see what he gets.
	foreign, misnamed tags
}

// tags are entries by repository and tag.
type tags map[string]map[string]entry

func (t tags) add(e entry) {
	i := strings.LastIndexByte(e.ref, ':')
	repo, tag := e.ref[:i], e.ref[i+1:]
	if t[repo] == nil {
		t[repo] = map[string]entry{}
	}
	t[repo][tag] = e
}

// parseIndex reads an index.json (image-spec 1.1, image-index.md).
func parseIndex(text string) (*index, error) {
	x := &index{journal: tags{}, foreign: tags{}, misnamed: tags{}}
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

// parseOther reads an entry as any tool writes it. One with a "<repository>:<tag>" must be a whole
// descriptor, so that a name never silently points nowhere.
func parseOther(raw json.RawMessage) (other, error) {
	o := other{raw: raw}
	var d *ocispec.Descriptor
	if err := json.Unmarshal(raw, &d); err != nil {
		return o, err
	}
	if d == nil {
		return o, errors.New("null is no descriptor")
	}
	o.name = d.Annotations[ocispec.AnnotationRefName]
	o.entry = entry{mediaType: d.MediaType, digest: string(d.Digest), size: d.Size}
	i := strings.LastIndexByte(o.name, ':')
	if i < 0 || checkRef(o.name[:i], o.name[i+1:]) != nil {
		return o, nil
	}
	o.ref = o.name
	if err := d.Digest.Validate(); err != nil {
		return o, fmt.Errorf("%s: digest %q: %w", o.ref, d.Digest, err)
	}
	if d.Size < 0 {
		return o, fmt.Errorf("%s: size %d", o.ref, d.Size)
	}
	_, ours := parseEntry(o.line())
	own := ocispec.Descriptor{MediaType: d.MediaType, Digest: d.Digest, Size: d.Size, Annotations: map[string]string{ocispec.AnnotationRefName: o.name}}
	o.plain = ours && reflect.DeepEqual(*d, own)
	return o, nil
}

// find returns what a tag names.
func (x *index) find(repo, tag string) (entry, bool) {
	if e, ok := x.journal[repo][tag]; ok {
		return e, true
	}
	if i, ok := slices.BinarySearchFunc(x.sorted, repo+":"+tag, compareRef); ok {
		return x.sorted[i], true
	}
	for _, t := range []map[string]entry{x.foreign[repo], x.foreign[anyRepository], x.misnamed[repo]} {
		if e, ok := t[tag]; ok {
			return e, true
		}
	}
	return entry{}, false
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
		for tag := range more[repo] {
			all = append(all, tag)
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

// apply replays whole lines of the journal. A line that is no entry is skipped: after a power cut, blocks of
// lines never acknowledged may hold anything, and those around it are good or fail this check as well.
func (x *index) apply(lines string) {
	for line := range strings.Lines(lines) {
		if e, ok := parseEntry(strings.TrimSuffix(line, "\n")); ok {
			x.journal.add(e)
		}
	}
}

// write writes the same bytes for the same content, whatever its history: one entry a line, for people.
func (x *index) write(w io.Writer) error {
	all := slices.Clone(x.sorted)
	for _, tags := range x.journal {
		for _, e := range tags {
			all = append(all, e)
		}
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
