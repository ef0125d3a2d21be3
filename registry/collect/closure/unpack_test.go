package closure

import (
	"os"
	"path/filepath"
	"testing"

	modzip "golang.org/x/mod/zip"
)

// As root, which may write read-only files too, nothing else would tell.
func TestWhatIsUnpackedMayBeTidied(t *testing.T) {
	t.Parallel()
	m := mod("example.com/a@v1.0.0")
	src, dir := t.TempDir(), filepath.Join(t.TempDir(), "a")
	write(t, src, map[string]string{"go.mod": "module example.com/a\n", "a.go": "package a\n"})
	zip, err := os.Create(filepath.Join(t.TempDir(), "zip"))
	if err != nil {
		t.Fatal(err)
	}
	defer zip.Close()
	if err := modzip.CreateFromDir(zip, m, src); err != nil {
		t.Fatal(err)
	}
	if err := unpack(dir, m, zip.Name()); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(filepath.Join(dir, "go.mod")); err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("%v, %v", info, err)
	}
}

func TestThatSomebodyElsesModuleIsNotTidyIsNoLack(t *testing.T) {
	t.Parallel()
	up := tree(t.TempDir())
	dir := t.TempDir()
	write(t, dir, map[string]string{"go.mod": "module example.com/used\n\ngo 1.21\n", "u.go": "package used\n"})
	up.publish(t, mod("example.com/used@v1.0.0"), dir)
	dir = t.TempDir()
	write(t, dir, map[string]string{
		"go.mod": "module example.com/untidy\n\ngo 1.21\n\nrequire example.com/used v1.0.0\n", // without a go.sum
		"u.go":   "package untidy\n\nimport _ \"example.com/used\"\n",
	})
	up.publish(t, mod("example.com/untidy@v1.0.0"), dir)
	r := seedOf(t, up, "example.com/untidy@v1.0.0")
	if n := find(t, r, "example.com/used@v1.0.0"); len(r.Warnings) > 0 || n == nil || n.ModOnly {
		t.Errorf("%v, %v", r.Warnings, n)
	}
}
