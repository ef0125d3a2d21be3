package artifact

import (
	"archive/zip"
	"bytes"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/CycloneDX/cyclonedx-go"
	"github.com/google/licensecheck"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/mod/module"
)

const mit = `MIT License

Copyright (c) 2026 Example

Permission is hereby granted, free of charge, to any person obtaining a copy
of this software and associated documentation files (the "Software"), to deal
in the Software without restriction, including without limitation the rights
to use, copy, modify, merge, publish, distribute, sublicense, and/or sell
copies of the Software, and to permit persons to whom the Software is
furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all
copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR
IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY,
FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE
AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER
LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM,
OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE
SOFTWARE.
`

const isc = `Copyright (c) 2026 Example

Permission to use, copy, modify, and/or distribute this software for any purpose with or without fee is hereby granted,
provided that the above copyright notice and this permission notice appear in all copies.

THE SOFTWARE IS PROVIDED "AS IS" AND THE AUTHOR DISCLAIMS ALL WARRANTIES WITH REGARD TO THIS SOFTWARE INCLUDING ALL IMPLIED
WARRANTIES OF MERCHANTABILITY AND FITNESS. IN NO EVENT SHALL THE AUTHOR BE LIABLE FOR ANY SPECIAL, DIRECT, INDIRECT, OR
CONSEQUENTIAL DAMAGES OR ANY DAMAGES WHATSOEVER RESULTING FROM LOSS OF USE, DATA OR PROFITS, WHETHER IN AN ACTION OF CONTRACT,
NEGLIGENCE OR OTHER TORTIOUS ACTION, ARISING OUT OF OR IN CONNECTION WITH THE USE OR PERFORMANCE OF THIS SOFTWARE.
`

// licensed returns the files of a version with more entries in its zip.
func licensed(tb testing.TB, entries ...string) Files {
	f := fullFiles(tb, "example.com/a", "v1.2.3")
	f.ZipFile = writeZip(tb, f.Module, append([]string{"go.mod", string(f.GoMod), "a.go", "package a\n"}, entries...)...)
	return f
}

func TestLicensesAreThoseOfTheRoot(t *testing.T) {
	for name, test := range map[string]struct {
		entries []string
		want    string
	}{
		"none":                        {nil, ""},
		"one":                         {[]string{"LICENSE", mit}, "MIT"},
		"with an extension":           {[]string{"Licence.md", isc}, "ISC"},
		"two files":                   {[]string{"LICENSE", mit, "COPYING", isc}, "ISC AND MIT"},
		"two in one file":             {[]string{"LICENSE", mit + "\n---\n\n" + isc}, "ISC AND MIT"},
		"the same twice":              {[]string{"LICENSE", mit, "LICENSE.txt", mit}, "MIT"},
		"of something inside alone":   {[]string{"third_party/LICENSE", mit}, ""},
		"beside one inside":           {[]string{"LICENSE", mit, "third_party/LICENSE", isc}, "MIT"},
		"nobody knows it":             {[]string{"LICENSE", "All rights reserved; ask us first."}, ""},
		"nobody knows one of two":     {[]string{"LICENSE", mit, "COPYING", "All rights reserved; ask us first."}, ""},
		"most of the text is another": {[]string{"LICENSE", mit + strings.Repeat("And you shall sing about it every day. ", 60)}, ""},
		"of a megabyte and more":      {[]string{"LICENSE", mit + strings.Repeat(" ", maxLicense)}, ""},
		"a file of another name":      {[]string{"LICENSES.go", mit}, ""},
	} {
		a := mustBuild(t, licensed(t, test.entries...))
		if got := a.Manifest.Annotations[ocispec.AnnotationLicenses]; got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
		meta, err := a.Manifest.ReadMeta(bytes.NewReader(content(t, a.Blobs[1])))
		if err != nil {
			t.Fatal(err)
		}
		var bom cyclonedx.BOM
		if err := cyclonedx.NewBOMDecoder(bytes.NewReader(meta.SBOM), cyclonedx.BOMFileFormatJSON).Decode(&bom); err != nil {
			t.Fatal(err)
		}
		got := ""
		if l := (*bom.Components)[0].Licenses; l != nil && (*l)[0].License != nil {
			got = (*l)[0].License.ID
		} else if l != nil {
			got = (*l)[0].Expression
		}
		if got != test.want {
			t.Errorf("%s: the SBOM says %q, want %q", name, got, test.want)
		}
	}
}

func TestMoreTextsThanAModuleHasAreNotRead(t *testing.T) {
	f := licensed(t)
	var buf bytes.Buffer
	w := zip.NewWriter(&buf)
	for _, name := range licenseNames {
		for _, ext := range []string{"", ".md", ".txt"} {
			e, err := w.Create(f.Module.String() + "/" + name + ext)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := e.Write([]byte(mit)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	z, err := zip.NewReader(bytes.NewReader(buf.Bytes()), int64(buf.Len()))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := FindLicenses(z, f.Module); err != nil || got != nil {
		t.Errorf("%q, %v", got, err)
	}
}

// This is the digest for ever: see TestBuildGivesPinnedDigests.
func TestALicensedVersionHasAPinnedDigest(t *testing.T) {
	a := mustBuild(t, licensed(t, "LICENSE", mit, "COPYING", isc))
	if got, want := a.Descriptor.Digest.String(), "sha256:343c668ec6b392fc5dd4e34e90d0a3ee186adde78e52c9a313f920c5b01d6465"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	older, err := a.WithoutLicenses()
	if err != nil {
		t.Fatal(err)
	}
	if got, want := older.Descriptor.Digest.String(), "sha256:33ca6759f14d29ac220cb004e452db5cafd7612fcb07fb442bd33f6d46db838f"; got != want {
		t.Errorf("without licences: %s, want %s", got, want)
	}
	if !older.Manifest.SameModule(a.Manifest) || !reflect.DeepEqual(older.Manifest.Zip, a.Manifest.Zip) {
		t.Error("it is another module without licences")
	}
	again, err := older.With(older.files.Info, nil, nil)
	if err != nil || again.Descriptor.Digest != older.Descriptor.Digest {
		t.Errorf("with what it has: %v, %v", again.Descriptor.Digest, err)
	}
	unlicensed := mustBuild(t, licensed(t))
	if same, err := unlicensed.WithoutLicenses(); err != nil || same != unlicensed {
		t.Errorf("nothing to leave out: %v", err)
	}
}

func TestEveryKnownLicenseIsOneOfTheLibrarys(t *testing.T) {
	var ids []string
	for _, l := range licensecheck.BuiltinLicenses() {
		ids = append(ids, l.ID)
	}
	for _, id := range knownLicenses {
		if !slices.Contains(ids, id) {
			t.Errorf("no text is known of %s", id)
		}
	}
	if !slices.IsSorted(knownLicenses) {
		t.Error("not sorted")
	}
}

func FuzzFindLicenses(f *testing.F) {
	f.Add([]byte(mit))
	f.Add([]byte(isc))
	m := module.Version{Path: "example.com/a", Version: "v1.0.0"}
	f.Fuzz(func(t *testing.T, text []byte) {
		var buf bytes.Buffer
		w := zip.NewWriter(&buf)
		e, err := w.Create(m.String() + "/LICENSE")
		if err != nil {
			t.Fatal(err)
		}
		_, _ = e.Write(text)
		_ = w.Close()
		z, err := zip.NewReader(bytes.NewReader(buf.Bytes()), int64(buf.Len()))
		if err != nil {
			t.Fatal(err)
		}
		first, err := FindLicenses(z, m)
		if err != nil {
			t.Fatal(err)
		}
		if again, _ := FindLicenses(z, m); !slices.Equal(first, again) {
			t.Errorf("%q, then %q", first, again)
		}
	})
}
