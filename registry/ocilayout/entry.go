package ocilayout

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

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

// line returns the entry as JSON, without a newline. The name comes first, so that lines sort by it; other tools
// write it last, so that what they wrote is not mistaken for it.
func (e entry) line() string {
	size := strconv.FormatInt(e.size, 10)
	return lineRef + e.ref + lineType + e.mediaType + lineDigest + e.digest + lineSize + size + lineEnd
}

// parseEntry is the reverse of line. It takes nothing else, whatever that means in JSON: tens of thousands are read
// at a start, and encoding/json takes more than ten times as long.
func parseEntry(line string) (e entry, ok bool) {
	rest, ok1 := strings.CutPrefix(line, lineRef)
	ref, rest, ok2 := strings.Cut(rest, lineType)
	mediaType, rest, ok3 := strings.Cut(rest, lineDigest)
	digest, rest, ok4 := strings.Cut(rest, lineSize)
	digits, ok5 := strings.CutSuffix(rest, lineEnd)
	size, err := strconv.ParseInt(digits, 10, 64)
	if !ok1 || !ok2 || !ok3 || !ok4 || !ok5 || err != nil || size < 0 || strconv.FormatInt(size, 10) != digits {
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
	own := o.descriptor()
	own.Annotations = map[string]string{ocispec.AnnotationRefName: o.name}
	o.plain = ours && reflect.DeepEqual(*d, own)
	return o, nil
}
