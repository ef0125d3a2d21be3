package sumdb

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/modferry/modferry/artifact"
)

func TestSnapshotReadsBackAsItWasPacked(t *testing.T) {
	l := bigLog()
	day := time.Date(2026, 11, 20, 15, 4, 5, 0, time.FixedZone("", -9*3600))
	var base *Snapshot
	for _, n := range published {
		s := l.build(t, n, BuildOptions{Base: base, Captured: day, BaseDigest: digest.FromString("before")})
		read, err := Read(t.Context(), l.Log, store(t, s).manifest, store(t, s).read)
		if err != nil {
			t.Fatalf("%d records: %v", n, err)
		}
		if !sameSnapshot(t, s, read) {
			t.Fatalf("%d records: what was read packs to other bytes", n)
		}
		if got := read.Captured().Format(time.RFC3339); got != "2026-11-21T00:00:00Z" {
			t.Errorf("captured %s, want the day in UTC", got)
		}
		if read.Previous() != digest.FromString("before") || read.Log().Key() != l.Key() {
			t.Errorf("previous %q, key %q", read.Previous(), read.Log().Key())
		}
		base = read
	}
}

func TestPackIsStable(t *testing.T) {
	s := bigLog().chain(t, 300, 1000, 66000)[2]
	image, err := s.Pack()
	if err != nil {
		t.Fatal(err)
	}
	const want = "sha256:d42e822dc5cc3b4fb27a1982ace176b863e63caadd029e000c1802bbb978acac"
	if got := image.Descriptor.Digest.String(); got != want {
		t.Errorf("manifest digest %s, want %s:\n%s", got, want, image.Raw)
	}
}

func TestOnlyLastChunksChangeAsTheLogGrows(t *testing.T) {
	// A spine of more than one chunk needs a log of 4 million records, so take chunks as such.
	old := make([]byte, 3*ChunkSize+1000)
	grown := append(slices.Clone(old), make([]byte, ChunkSize)...)
	a, b := chunks("", old), chunks("", grown)
	if len(a) != 4 || len(b) != 5 || len(a[3].data) != 1000 || len(b[3].data) != ChunkSize {
		t.Errorf("%d and %d chunks, the last of %d and %d bytes", len(a), len(b), len(a[3].data), len(b[4].data))
	}
	l := bigLog()
	snapshots := l.chain(t, 300, 1000, 66000, 67000)
	before, after := store(t, snapshots[2]), store(t, snapshots[3])
	moved := 0
	for _, d := range after.layers {
		if _, ok := before.blobs[d]; !ok {
			moved++
		}
	}
	if moved != 5 { // config, head, edge, one chunk of spine, one of frontier
		t.Errorf("%d blobs move, want 5", moved)
	}
}

func TestReadRefusesEveryAlteredBlob(t *testing.T) {
	l := bigLog()
	s := l.chain(t, 300, 66000)[1]
	st := store(t, s)
	for i, d := range st.layers {
		if i == 1 {
			continue // the note is inlined in the manifest
		}
		data := st.blobs[d]
		for name, altered := range map[string][]byte{
			"first byte": append([]byte{data[0] ^ 1}, data[1:]...),
			"last byte":  append(slices.Clone(data[:len(data)-1]), data[len(data)-1]^1),
			"long":       append(slices.Clone(data), 0),
			"short":      data[:len(data)-1],
			"empty":      {},
		} {
			st.blobs[d] = altered
			want := artifact.ErrCorrupt
			if _, err := Read(t.Context(), l.Log, st.manifest, st.read); !errors.Is(err, want) {
				t.Errorf("blob %d altered (%s): %v, want %v", i, name, err, want)
			}
		}
		delete(st.blobs, d)
		if _, err := Read(t.Context(), l.Log, st.manifest, st.read); err == nil || !strings.Contains(err.Error(), "no blob "+d) {
			t.Errorf("blob %d missing: no error", i)
		}
		st.blobs[d] = data
	}
}

// repack returns st with the blobs changed, and a manifest that says so: what
// somebody can make who may push but has not the log's key.
func (st *stored) repack(tb testing.TB, change func(m *ocispec.Manifest, put func(mediaType string, data []byte) ocispec.Descriptor)) *stored {
	tb.Helper()
	var m ocispec.Manifest
	if err := json.Unmarshal(st.manifest, &m); err != nil {
		tb.Fatal(err)
	}
	out := &stored{blobs: make(map[string][]byte)}
	for d, data := range st.blobs {
		out.blobs[d] = slices.Clone(data)
	}
	change(&m, func(mediaType string, data []byte) ocispec.Descriptor {
		d := artifact.NewBlob(mediaType, data).Descriptor
		out.blobs[d.Digest.String()] = data
		return d
	})
	var err error
	if out.manifest, err = json.Marshal(m); err != nil {
		tb.Fatal(err)
	}
	return out
}

type putFunc = func(mediaType string, data []byte) ocispec.Descriptor

func TestReadRefusesAManifestThatDoesNotFit(t *testing.T) {
	l := bigLog()
	snapshots := l.chain(t, 300, 66000)
	other := newTestLog(t, 70000, "fork", 100)
	st, forked := store(t, snapshots[1]), store(t, other.chain(t, 300, 66000)[1])
	layer := func(st *stored, i int) []byte { return slices.Clone(st.blobs[st.layers[i+1]]) }
	replace := func(i int, data []byte) func(*ocispec.Manifest, putFunc) {
		return func(m *ocispec.Manifest, put putFunc) {
			m.Layers[i] = put(m.Layers[i].MediaType, data)
			if i == 0 {
				m.Layers[0].Data = data
			}
		}
	}
	flip := func(i, at int) func(*ocispec.Manifest, putFunc) {
		data := layer(st, i)
		data[at] ^= 1
		return replace(i, data)
	}
	for name, c := range map[string]struct {
		change func(*ocispec.Manifest, putFunc)
		want   error
	}{
		"nothing":              {func(*ocispec.Manifest, putFunc) {}, nil},
		"note not inlined":     {func(m *ocispec.Manifest, _ putFunc) { m.Layers[0].Data = nil }, artifact.ErrCorrupt},
		"inlined note altered": {func(m *ocispec.Manifest, _ putFunc) { m.Layers[0].Data[0] ^= 1 }, artifact.ErrCorrupt},
		"inlined note empty":   {func(m *ocispec.Manifest, _ putFunc) { m.Layers[0].Data = []byte{} }, artifact.ErrCorrupt},
		"note altered":         {flip(0, 25), ErrSignature},
		"note of another size": {replace(0, l.Note(t, 65999)), artifact.ErrCorrupt},
		"note of a fork":       {replace(0, other.Note(t, 66000)), artifact.ErrCorrupt},
		"note too long":        {replace(0, make([]byte, MaxNote+1)), artifact.ErrLimit},
		"edge altered":         {flip(1, 0), artifact.ErrCorrupt},
		"spine altered":        {flip(2, 32*100), artifact.ErrCorrupt},
		"frontier altered":     {flip(3, 8000), artifact.ErrCorrupt},
		"edge of a fork":       {replace(1, layer(forked, 1)), artifact.ErrCorrupt},
		"spine of a fork":      {replace(2, layer(forked, 2)), artifact.ErrCorrupt},
		"frontier of a fork":   {replace(3, layer(forked, 3)), artifact.ErrCorrupt},
		"spine too short":      {replace(2, layer(st, 2)[32:]), artifact.ErrCorrupt},
		"spine too long":       {replace(2, append(layer(st, 2), make([]byte, 32)...)), artifact.ErrCorrupt},
		"spine in odd chunks":  {func(m *ocispec.Manifest, put putFunc) { split(m, put, 2, layer(st, 2), 64) }, artifact.ErrCorrupt},
		"edge too long":        {replace(1, make([]byte, TileSize+1)), artifact.ErrCorrupt},
		"frontier too long":    {replace(3, append(layer(st, 3), layer(st, 3)...)), artifact.ErrCorrupt},
		"chunk too long":       {replace(2, make([]byte, ChunkSize+1)), artifact.ErrLimit},
		"empty chunk":          {replace(2, nil), ErrNotSnapshot},
		"no layers":            {func(m *ocispec.Manifest, _ putFunc) { m.Layers = nil }, ErrNotSnapshot},
		"no edge":              {func(m *ocispec.Manifest, _ putFunc) { m.Layers = slices.Delete(m.Layers, 1, 2) }, artifact.ErrCorrupt},
		"no frontier":          {func(m *ocispec.Manifest, _ putFunc) { m.Layers = m.Layers[:3] }, artifact.ErrCorrupt},
		"edge twice":           {func(m *ocispec.Manifest, _ putFunc) { m.Layers = slices.Insert(m.Layers, 1, m.Layers[1]) }, artifact.ErrCorrupt},
		"other order":          {func(m *ocispec.Manifest, _ putFunc) { m.Layers[1], m.Layers[2] = m.Layers[2], m.Layers[1] }, artifact.ErrCorrupt},
		"head last":            {func(m *ocispec.Manifest, _ putFunc) { m.Layers = append(m.Layers, m.Layers[0]) }, artifact.ErrCorrupt},
		"unknown layer":        {func(m *ocispec.Manifest, _ putFunc) { m.Layers[1].MediaType = "text/plain" }, artifact.ErrCorrupt},
		"too many layers": {func(m *ocispec.Manifest, _ putFunc) {
			m.Layers = append(m.Layers, slices.Repeat(m.Layers[3:], 2200)...)
		}, artifact.ErrCorrupt},
		"another digest function": {func(m *ocispec.Manifest, _ putFunc) { m.Layers[2].Digest = digest.SHA512.FromString("x") }, ErrNotSnapshot},
		"no digest":               {func(m *ocispec.Manifest, _ putFunc) { m.Config.Digest = "" }, ErrNotSnapshot},
		"negative size":           {func(m *ocispec.Manifest, _ putFunc) { m.Layers[2].Size = -1 }, ErrNotSnapshot},
		"huge config":             {func(m *ocispec.Manifest, _ putFunc) { m.Config.Size = 1 << 40 }, artifact.ErrLimit},
		"an image":                {func(m *ocispec.Manifest, _ putFunc) { m.Config.MediaType = ocispec.MediaTypeImageConfig }, ErrNotSnapshot},
		"no artifact type":        {func(m *ocispec.Manifest, _ putFunc) { m.ArtifactType = "" }, ErrNotSnapshot},
		"a later format":          {func(m *ocispec.Manifest, _ putFunc) { m.Annotations[artifact.AnnotationFormat] = "2" }, ErrNotSnapshot},
		"another log":             {func(m *ocispec.Manifest, _ putFunc) { m.Annotations[AnnotationLog] = "sum.golang.org" }, artifact.ErrIdentity},
		"another size":            {func(m *ocispec.Manifest, _ putFunc) { m.Annotations[AnnotationSize] = "66001" }, artifact.ErrCorrupt},
		"no size":                 {func(m *ocispec.Manifest, _ putFunc) { delete(m.Annotations, AnnotationSize) }, artifact.ErrCorrupt},
		"size 0":                  {func(m *ocispec.Manifest, _ putFunc) { m.Annotations[AnnotationSize] = "0" }, artifact.ErrCorrupt},
		"size over the limit":     {func(m *ocispec.Manifest, _ putFunc) { m.Annotations[AnnotationSize] = "8589934593" }, artifact.ErrLimit},
		"another root": {func(m *ocispec.Manifest, _ putFunc) {
			m.Annotations[AnnotationRoot] = snapshots[0].Head().Hash.String()
		}, artifact.ErrCorrupt},
		"malformed root": {func(m *ocispec.Manifest, _ putFunc) { m.Annotations[AnnotationRoot] = "x" }, artifact.ErrCorrupt},
	} {
		altered := st.repack(t, c.change)
		_, err := Read(t.Context(), l.Log, altered.manifest, altered.read)
		if !errors.Is(err, c.want) || c.want == nil && err != nil {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	for name, data := range map[string]string{"empty": "", "not JSON": "x", "index": `{"schemaVersion":2}`, "long": strings.Repeat(" ", artifact.MaxManifest+1)} {
		if _, err := Read(t.Context(), l.Log, []byte(data), nil); !errors.Is(err, ErrNotSnapshot) && !errors.Is(err, artifact.ErrLimit) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// split cuts a layer in two.
func split(m *ocispec.Manifest, put putFunc, i int, data []byte, at int) {
	m.Layers = slices.Insert(m.Layers, i, m.Layers[i])
	m.Layers[i] = put(mediaTypeSpine, data[:at])
	m.Layers[i+1] = put(mediaTypeSpine, data[at:])
}

func TestReadRefusesAConfigThatDoesNotFit(t *testing.T) {
	l := bigLog()
	s := l.chain(t, 300, 700, 66000)[2]
	st := store(t, s)
	fork := newTestLog(t, 1000, "fork", 100)
	for name, c := range map[string]struct {
		change func(*config)
		want   error
	}{
		"nothing":                      {func(*config) {}, nil},
		"another log":                  {func(c *config) { c.Log = "x.example" }, artifact.ErrCorrupt},
		"another key":                  {func(c *config) { c.Key = defaultKey }, artifact.ErrCorrupt},
		"another size":                 {func(c *config) { c.Size++ }, artifact.ErrCorrupt},
		"another root":                 {func(c *config) { c.Root = "" }, artifact.ErrCorrupt},
		"no day":                       {func(c *config) { c.Captured = "yesterday" }, artifact.ErrCorrupt},
		"previous is no digest":        {func(c *config) { c.Previous = "x" }, artifact.ErrCorrupt},
		"unsigned earlier head":        {func(c *config) { c.Earlier[0] = "x" }, ErrSignature},
		"earlier heads out of order":   {func(c *config) { slices.Reverse(c.Earlier) }, artifact.ErrCorrupt},
		"earlier head twice":           {func(c *config) { c.Earlier[1] = c.Earlier[0] }, artifact.ErrCorrupt},
		"earlier head is the head":     {func(c *config) { c.Earlier[1] = string(s.Head().Note) }, artifact.ErrCorrupt},
		"earlier head is newer":        {func(c *config) { c.Earlier[1] = string(l.Note(t, 70000)) }, artifact.ErrCorrupt},
		"earlier head is of a fork":    {func(c *config) { c.Earlier[1] = string(fork.Note(t, 700)) }, ErrForked},
		"earlier head in another tile": {func(c *config) { c.Earlier[1] = string(l.Note(t, 1000)) }, artifact.ErrCorrupt},
		"one earlier head less":        {func(c *config) { c.Earlier = c.Earlier[:1] }, artifact.ErrCorrupt},
		"too many earlier heads":       {func(c *config) { c.Earlier = make([]string, MaxEarlier+1) }, artifact.ErrLimit},
	} {
		altered := st.repack(t, func(m *ocispec.Manifest, put putFunc) {
			var conf config
			if err := json.Unmarshal(st.blobs[m.Config.Digest.String()], &conf); err != nil {
				t.Fatal(err)
			}
			c.change(&conf)
			data, err := json.Marshal(conf)
			if err != nil {
				t.Fatal(err)
			}
			m.Config = put(MediaTypeConfig, data)
		})
		_, err := Read(t.Context(), l.Log, altered.manifest, altered.read)
		if !errors.Is(err, c.want) || c.want == nil && err != nil {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

func TestManifestTellsItsHead(t *testing.T) {
	l := bigLog()
	s := l.build(t, 1000, BuildOptions{})
	m, err := ParseManifest(store(t, s).manifest)
	if err != nil {
		t.Fatal(err)
	}
	h, err := m.Head(l.Log)
	if err != nil || h.Tree != s.Head().Tree || m.Tree != h.Tree || m.Log != l.Name() {
		t.Errorf("head of %d records, %v", h.N, err)
	}
	def, err := ParseLog(DefaultLog)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Head(def); !errors.Is(err, artifact.ErrIdentity) {
		t.Errorf("as another log's: %v, want ErrIdentity", err)
	}
}

func TestHeadTag(t *testing.T) {
	if tag := HeadTag(72000000); tag != "head-72000000" {
		t.Errorf("tag %q", tag)
	}
	for tag, want := range map[string]int64{
		"head-1": 1, "head-8589934592": MaxRecords, "head-8589934593": 0, "head-0": 0, "head--1": 0, "head-01": 0,
		"head-+1": 0, "head-": 0, "latest": 0, "1": 0, "head-1.sig": 0, "head-99999999999999999999": 0,
	} {
		if n, ok := ParseHeadTag(tag); n != want || ok != (want != 0) {
			t.Errorf("ParseHeadTag(%q) = %d, %v", tag, n, ok)
		}
	}
}
