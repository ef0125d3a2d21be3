package registry

import (
	"archive/zip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/modferry/modferry/artifact"
	"golang.org/x/mod/module"
)

var version = module.Version{Path: "corp.example/Lib", Version: "v1.2.3"}

func later(v string) module.Version {
	return module.Version{Path: version.Path, Version: v}
}

// fullVersion builds an artifact of m with a zip that has text in it.
func fullVersion(t testing.TB, m module.Version, text string) *artifact.Artifact {
	t.Helper()
	return build(t, artifact.Files{Module: m, Info: info(m), GoMod: goMod(m), ZipFile: zipFile(t, m, text)})
}

func goMod(m module.Version) []byte { return []byte("module " + m.Path + "\n") }

// zipFile writes the zip of a module with go.mod and a file that has text in it.
func zipFile(t testing.TB, m module.Version, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "m.zip")
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	z := zip.NewWriter(f)
	for _, file := range []struct{ name, data string }{{"go.mod", string(goMod(m))}, {"text.txt", text}} {
		w, err := z.Create(m.String() + "/" + file.name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, file.data); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(z.Close(), f.Close()); err != nil {
		t.Fatal(err)
	}
	return file
}

func modOnlyVersion(t testing.TB, m module.Version) *artifact.Artifact {
	t.Helper()
	return build(t, artifact.Files{Module: m, Info: info(m), GoMod: goMod(m)})
}

func info(m module.Version) []byte {
	return []byte(`{"Version":"` + m.Version + `","Time":"2024-01-02T03:04:05Z"}`)
}

func build(t testing.TB, f artifact.Files) *artifact.Artifact {
	t.Helper()
	a, err := artifact.Build(f)
	if err != nil {
		t.Fatal(err)
	}
	return a
}
