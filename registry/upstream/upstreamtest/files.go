package upstreamtest

import (
	"archive/zip"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/module"

	"github.com/modferry/modferry/registry/requirement"
)

// TempFile returns an empty file that is closed and removed with the test.
func TempFile(t testing.TB) *os.File {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "file"))
	check(t, err)
	t.Cleanup(func() { f.Close() })
	return f
}

// ReadAll returns the content of a file.
func ReadAll(t testing.TB, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	check(t, err)
	return string(data)
}

const (
	SumA = "h1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
	SumB = "h1:BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB="
)

// WriteFiles writes files into a new directory and makes it the working directory.
func WriteFiles(t *testing.T, files map[string]string) {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		Put(t, filepath.Join(dir, name), content)
	}
	t.Chdir(dir)
}

// Put writes a file, and makes its directory.
func Put(t testing.TB, name, text string) {
	t.Helper()
	check(t, os.MkdirAll(filepath.Dir(name), 0o755))
	check(t, os.WriteFile(name, []byte(text), 0o644))
}

// Zip makes the zip of a version.
func Zip(t testing.TB, m module.Version, files map[string]string) string {
	t.Helper()
	var b strings.Builder
	z := zip.NewWriter(&b)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		w, err := z.Create(m.String() + "/" + name)
		if err == nil {
			_, err = io.WriteString(w, files[name])
		}
		check(t, err)
	}
	check(t, z.Close())
	return b.String()
}

// VersionA is a version that trees of many tests have.
var VersionA = module.Version{Path: "example.com/a", Version: "v1.0.0"}

// Full is the requirement of path@version, whole.
func Full(version string) requirement.Requirement {
	path, v, _ := strings.Cut(version, "@")
	return requirement.Requirement{Module: module.Version{Path: path, Version: v}, From: version}
}

// ModOnly is the requirement of the go.mod of path@version.
func ModOnly(version string) requirement.Requirement {
	it := Full(version)
	it.ModOnly = true
	return it
}

// DescribeItems writes items as "path@version[/go.mod] from".
func DescribeItems(items []requirement.Requirement) []string {
	var lines []string
	for _, it := range items {
		kind := ""
		if it.ModOnly {
			kind = "/go.mod"
		}
		lines = append(lines, it.Module.String()+kind+" "+it.From)
	}
	return lines
}

// check fails the test on an error of what cannot fail.
func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
