package bundle

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"strings"
	"testing"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/artifact/sign/signtest"
	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/bundle/ustar"
)

// text returns the lines of a volume with these items, which are as they must be but for what the items say.
func text(t testing.TB, h header, omitted []omitted, items ...Item) string {
	t.Helper()
	var out, own bytes.Buffer
	c := newContents()
	for n := range items {
		must(t, writeLine(&own, items[n]))
		if len(items[n].Manifests) > 0 {
			_ = c.add(&items[n], 1) // what is wrong with it is for the parser to find
		}
	}
	h.Format, h.Volume, h.Omitted = formatVersion, 1, len(omitted)
	summary := Summary{Items: len(items), Files: len(c.sizes), Size: c.total, Digest: sha256.Sum256(own.Bytes())}
	h.Volumes = append([]Summary{summary}, h.Volumes...)
	id := identity(&h)
	for _, o := range omitted {
		must(t, writeLine(id, o))
	}
	h.Bundle = Sum(id.Sum(nil))
	must(t, writeLine(&out, h))
	for _, o := range omitted {
		must(t, writeLine(&out, o))
	}
	return out.String() + own.String()
}

func sumOf(s string) Sum { return sha256.Sum256([]byte(s)) }

// anItem returns an item, changed by change.
func anItem(change func(*Item)) Item {
	i := Item{
		Repository: "example.com/m",
		Manifests:  []Manifest{{Tag: "v1.0.0", MediaType: "application/vnd.oci.image.manifest.v1+json", File: File{sumOf("m"), 10}}},
		Blobs:      []Blob{{File: File{sumOf("a"), 20}}, {File: File{sumOf("b"), 30}}},
	}
	change(&i)
	return i
}

func TestLinesThatContradictThemselvesAreRefused(t *testing.T) {
	two := header{Volumes: []Summary{{Items: 1, Files: 1, Size: 1, Digest: sumOf("other")}}}
	parts := func(parts ...Part) func(*Item) { return func(i *Item) { i.Blobs[1].Parts = parts } }
	for name, bad := range map[string]string{
		"no items of those there are": text(t, header{}, nil, anItem(func(*Item) {}))[:500],
		"a repository on its way out": text(t, header{}, nil, anItem(func(i *Item) { i.Repository = "../../etc" })),
		"a repository in upper case":  text(t, header{}, nil, anItem(func(i *Item) { i.Repository = "example.com/M" })),
		"a tag with a slash":          text(t, header{}, nil, anItem(func(i *Item) { i.Manifests[0].Tag = "a/b" })),
		"an item without a tag":       text(t, header{}, nil, anItem(func(i *Item) { i.Manifests[0].Tag = "" })),
		"an item without a manifest":  text(t, header{}, nil, anItem(func(i *Item) { i.Manifests = []Manifest{} })),
		"no media type":               text(t, header{}, nil, anItem(func(i *Item) { i.Manifests[0].MediaType = "manifest" })),
		"a negative size":             text(t, header{}, nil, anItem(func(i *Item) { i.Blobs[0].Size = -1 })),
		"a size no tar can have":      text(t, header{}, nil, anItem(func(i *Item) { i.Blobs[0].Size = ustar.MaxFile + 1 })),
		"no digest":                   text(t, header{}, nil, anItem(func(i *Item) { i.Blobs[0].Digest = Sum{} })),
		"two sizes of a file":         text(t, header{}, nil, anItem(func(i *Item) { i.Blobs[1].Digest = i.Blobs[0].Digest })),
		"two meanings of a tag":       text(t, header{}, nil, anItem(func(*Item) {}), anItem(func(i *Item) { i.Manifests[0].Digest = sumOf("x") })),
		"an item twice":               text(t, header{}, nil, anItem(func(*Item) {}), anItem(func(*Item) {})),
		"left out without a base":     text(t, header{}, nil, anItem(func(i *Item) { i.Blobs[0].Base = true })),
		"omitted without a base":      text(t, header{}, []omitted{{"example.com/m", anItem(func(*Item) {}).Manifests[0]}}),
		"omitted without a tag":       text(t, header{Base: sumOf("base")}, []omitted{{Repository: "example.com/m"}}),
		"parts that are not all":      text(t, two, nil, anItem(parts(Part{1, File{sumOf("p"), 10}}, Part{2, File{sumOf("q"), 19}}))),
		"parts that are too much":     text(t, two, nil, anItem(parts(Part{1, File{sumOf("p"), 10}}, Part{2, File{sumOf("q"), 21}}))),
		"parts of no volume":          text(t, two, nil, anItem(parts(Part{1, File{sumOf("p"), 10}}, Part{3, File{sumOf("q"), 20}}))),
		"parts of one volume":         text(t, two, nil, anItem(parts(Part{1, File{sumOf("p"), 10}}, Part{1, File{sumOf("q"), 20}}))),
		"an empty part":               text(t, two, nil, anItem(parts(Part{1, File{sumOf("p"), 30}}, Part{2, File{sumOf("q"), 0}}))),
		"another member":              strings.Replace(text(t, header{}, nil), `"omitted"`, `"more":1,"omitted"`, 1),
		"a member twice":              strings.Replace(text(t, header{}, nil), `"omitted":0`, `"omitted":0,"omitted":0`, 1),
		"another spelling":            strings.Replace(text(t, header{}, nil), `"omitted":0`, `"omitted": 0`, 1),
		"a later format":              strings.Replace(text(t, header{}, nil), `"format":"1"`, `"format":"2"`, 1),
		"another source":              strings.Replace(text(t, header{Source: "a"}, nil), `"source":"a"`, `"source":"b"`, 1),
		"control characters":          text(t, header{Source: "a\x1b[31m"}, nil),
		"more after the items":        text(t, header{}, nil) + "\n",
		"nothing":                     "",
	} {
		if _, err := parseLines(strings.NewReader(bad)); !errors.Is(err, artifact.ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
	good := text(t, header{Base: sumOf("base"), Source: "s", Volumes: two.Volumes},
		[]omitted{{"example.com/m", Manifest{Tag: "v0.1.0", MediaType: "a/b", File: File{sumOf("o"), 1}}}},
		anItem(parts(Part{1, File{sumOf("p"), 10}}, Part{2, File{sumOf("q"), 20}})))
	if _, err := parseLines(strings.NewReader(good)); err != nil {
		t.Error(err)
	}
}

// A volume proves which bundle it is of: nobody can say it is another one without making the bundle anew.
func TestAVolumeCannotBeSaidToBeOfAnotherBundle(t *testing.T) {
	s := stocked(t, 90_000, 100_000, 110_000)
	p := newPlan(t, s, PlanOptions{VolumeSize: 250_000})
	w := p.writer(1, nil, WriteOptions{})
	var lines bytes.Buffer
	must(t, w.lines(&lines))
	other := newPlan(t, stocked(t, 1000), PlanOptions{})
	for what, bad := range map[string]string{
		"another bundle": strings.Replace(lines.String(), p.Bundle().String(), other.Bundle().String(), 1),
		"another volume": strings.Replace(lines.String(), `"volume":1`, `"volume":2`, 1),
	} {
		if _, err := parseLines(strings.NewReader(bad)); !errors.Is(err, artifact.ErrCorrupt) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func FuzzParseLines(f *testing.F) {
	f.Add(text(f, header{}, nil, anItem(func(*Item) {})))
	f.Add(text(f, header{Base: sumOf("base"), Source: "harbor.example/golang"},
		[]omitted{{"example.com/m", anItem(func(*Item) {}).Manifests[0]}}, anItem(func(i *Item) { i.Blobs[0].Base = true })))
	f.Add(`{"format":"1","bundle":""}` + "\n")
	f.Fuzz(func(t *testing.T, data string) {
		l, err := parseLines(strings.NewReader(data))
		if err != nil {
			if !errors.Is(err, artifact.ErrCorrupt) && !errors.Is(err, artifact.ErrLimit) {
				t.Errorf("%v", err)
			}
			return
		}
		var again bytes.Buffer
		must(t, writeLine(&again, l.header))
		for _, o := range l.omitted {
			must(t, writeLine(&again, o))
		}
		for _, i := range l.items {
			must(t, writeLine(&again, i))
		}
		if again.String() != data {
			t.Errorf("%q is read, and would be written as %q", data, again.String())
		}
	})
}

func FuzzTar(f *testing.F) {
	s := stocked(f, 300)
	p, err := NewPlan(context.Background(), s, items(f, s), PlanOptions{})
	must(f, err)
	for _, signed := range []bool{false, true} {
		o := WriteOptions{}
		if signed {
			o.Signer = signtest.Signer(f, 0)
		}
		var out bytes.Buffer
		must(f, p.WriteTo(context.Background(), 1, &out, o))
		f.Add(out.Bytes())
		f.Add(out.Bytes()[:out.Len()/2])
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		fromFile, err := openBytes(data, Options{})
		if err != nil {
			if !errors.Is(err, artifact.ErrCorrupt) && !errors.Is(err, artifact.ErrLimit) {
				t.Errorf("%v", err)
			}
			return
		}
		fromPipe, err := OpenPipe("-", bytes.NewReader(data), Options{TempDir: t.TempDir()})
		must(t, err)
		defer fromPipe.Close()
		for _, it := range fromFile.Items() {
			_, a, errA := registry.New(fromFile).Manifest(t.Context(), it.Repository, it.Tag)
			_, b, errB := registry.New(fromPipe).Manifest(t.Context(), it.Repository, it.Tag)
			if !bytes.Equal(a, b) || (errA == nil) != (errB == nil) {
				t.Errorf("%v: %v and %v", it, errA, errB)
			}
			if errA == nil && artifact.NewBlob("", a).Descriptor.Digest != it.Descriptor.Digest {
				t.Errorf("%v is another manifest", it)
			}
		}
	})
}
