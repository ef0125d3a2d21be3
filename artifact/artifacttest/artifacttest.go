// Package artifacttest makes artifacts for tests.
package artifacttest

import (
	"archive/zip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact"
)

// Version is a module version whose path has an upper-case letter.
var Version = module.Version{Path: "corp.example/Lib", Version: "v1.2.3"}

// Later is another version of the same module.
func Later(v string) module.Version {
	return module.Version{Path: Version.Path, Version: v}
}

// LicensedVersion is [FullVersion] with a licence, 0BSD.
func LicensedVersion(t testing.TB, m module.Version, text string) *artifact.Artifact {
	t.Helper()
	const license = `Permission to use, copy, modify, and/or distribute this software for any purpose with or without fee is hereby granted.

THE SOFTWARE IS PROVIDED "AS IS" AND THE AUTHOR DISCLAIMS ALL WARRANTIES WITH REGARD TO THIS SOFTWARE INCLUDING ALL IMPLIED
WARRANTIES OF MERCHANTABILITY AND FITNESS. IN NO EVENT SHALL THE AUTHOR BE LIABLE FOR ANY SPECIAL, DIRECT, INDIRECT, OR
CONSEQUENTIAL DAMAGES OR ANY DAMAGES WHATSOEVER RESULTING FROM LOSS OF USE, DATA OR PROFITS, WHETHER IN AN ACTION OF CONTRACT,
NEGLIGENCE OR OTHER TORTIOUS ACTION, ARISING OUT OF OR IN CONNECTION WITH THE USE OR PERFORMANCE OF THIS SOFTWARE.
`
	return Build(t, artifact.Files{Module: m, Info: Info(m), GoMod: GoMod(m), ZipFile: writeZip(t, m, "text.txt", text, "LICENSE", license)})
}

// FullVersion builds an artifact of m with a zip that has text in it.
func FullVersion(t testing.TB, m module.Version, text string) *artifact.Artifact {
	t.Helper()
	return Build(t, artifact.Files{Module: m, Info: Info(m), GoMod: GoMod(m), ZipFile: ZipFile(t, m, text)})
}

// GoMod returns the go.mod that the artifacts have.
func GoMod(m module.Version) []byte { return []byte("module " + m.Path + "\n") }

// ZipFile writes the zip of a module with go.mod and a file that has text in it.
func ZipFile(t testing.TB, m module.Version, text string) string {
	t.Helper()
	return writeZip(t, m, "text.txt", text)
}

// writeZip writes a zip with go.mod and files, name and text in turn.
func writeZip(t testing.TB, m module.Version, files ...string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "m.zip")
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	z := zip.NewWriter(f)
	files = append([]string{"go.mod", string(GoMod(m))}, files...)
	for i := 0; i < len(files); i += 2 {
		w, err := z.Create(m.String() + "/" + files[i])
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, files[i+1]); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(z.Close(), f.Close()); err != nil {
		t.Fatal(err)
	}
	return file
}

// ModOnlyVersion builds a mod-only artifact of m.
func ModOnlyVersion(t testing.TB, m module.Version) *artifact.Artifact {
	t.Helper()
	return Build(t, artifact.Files{Module: m, Info: Info(m), GoMod: GoMod(m)})
}

// Info returns the .info that the artifacts have.
func Info(m module.Version) []byte {
	return []byte(`{"Version":"` + m.Version + `","Time":"2024-01-02T03:04:05Z"}`)
}

// Build is artifact.Build, which must succeed.
func Build(t testing.TB, f artifact.Files) *artifact.Artifact {
	t.Helper()
	a, err := artifact.Build(f)
	if err != nil {
		t.Fatal(err)
	}
	return a
}
