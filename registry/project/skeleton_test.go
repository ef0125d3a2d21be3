package project

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// tree returns the files below dir with their content.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := make(map[string]string)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		files[slashed(dir, path)] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func skeleton(t *testing.T, p *Project) *Project {
	t.Helper()
	s, err := p.Skeleton(filepath.Join(t.TempDir(), "skeleton"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestASkeletonIsTheFilesThatGoCommandsChange(t *testing.T) {
	dir := enter(t, map[string]string{
		"p/go.work": "go 1.22\nuse .\nuse ../lib\nuse ./bad\nuse ./gone\nreplace z => ./gone\n", "p/go.work.sum": "sums", "p/go.mod": "module a\nreplace x => ./x\n", "p/go.sum": "",
		"p/a.go": "package a\n", "p/x/go.mod": "module x\n", "p/x/x.go": "package x\n", "p/nested/go.mod": "module n\n", "p/vendor/modules.txt": "", "p/.git/config": "",
		"p/bad/go.mod": "nonsense", "lib/go.mod": "module lib\n", "lib/go.work": "go 1.22\n", "lib/sub/go.sum": "not one", "p/read-only": "",
	})
	if err := os.Chmod("p/go.mod", 0o444); err != nil {
		t.Fatal(err)
	}
	p := load(t, "p")
	s := skeleton(t, p)
	root := strings.TrimSuffix(s.Root, p.Root)
	want := map[string]string{}
	for _, name := range []string{"p/go.work", "p/go.work.sum", "p/go.mod", "p/go.sum", "p/x/go.mod", "p/bad/go.mod", "lib/go.mod"} {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		want[name] = string(data)
	}
	if got := tree(t, filepath.Join(root, dir)); !maps.Equal(got, want) {
		t.Errorf("there are %q\nwant %q", got, want)
	}
	for i, m := range s.Modules {
		if original := p.Modules[i]; m.Source != original.Dir || m.Dir != filepath.Join(root, original.Dir) || original.Source != original.Dir {
			t.Errorf("%+v of %+v", m, original)
		}
	}
	lines, _ := s.Sums()
	if err := os.WriteFile(filepath.Join(s.Root, "go.sum"), []byte("m.example v1.0.0 h1:x\n"), 0o644); err != nil {
		t.Error(err)
	}
	if now, _ := s.Sums(); len(lines) != 0 || len(now) != 1 || now[0].From != filepath.Join("p", "go.sum")+":1" {
		t.Errorf("the sums are read from where they are changed: %v, %v", lines, now)
	}
	if _, err := p.Skeleton(root); err != nil {
		t.Error(err)
	} else if got := tree(t, filepath.Join(root, dir)); !maps.Equal(got, want) {
		t.Errorf("made again, there are %q\nwant %q", got, want)
	}
}

func TestAGoWorkFileElsewhereIsOfTheSameDirectories(t *testing.T) {
	dir := filepath.ToSlash(enter(t, map[string]string{
		"p/go.work": "go 1.22\n\nuse (\n\t.\n\t../lib\n)\n\nreplace x => ./x\n\nreplace y v1.0.0 => z v1.0.0\n",
		"p/go.mod":  "module a\n", "lib/go.mod": "module lib\n",
	}))
	if err := load(t, "p").WriteWork("go.work"); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("go.work")
	want := "go 1.22\n\nuse (\n\t" + dir + "/p\n\t" + dir + "/lib\n)\n\nreplace x => " + dir + "/p/x\n\nreplace y v1.0.0 => z v1.0.0\n"
	if err != nil || string(got) != want {
		t.Errorf("%v\n%s\nwant\n%s", err, got, want)
	}
}

func TestWithoutWhatCannotBeReadThereIsNoSkeleton(t *testing.T) {
	enter(t, map[string]string{"p/go.mod": "module a\n", "p/go.sum/": ""})
	_, err := load(t, "p").Skeleton(t.TempDir())
	if err == nil || !strings.HasPrefix(err.Error(), "copying the go.mod and go.sum files of the project p: ") {
		t.Errorf("got %v", err)
	}
}

func TestWhatModulesOfAWorkspaceLackAlone(t *testing.T) {
	files := map[string]string{
		"go.work": "go 1.22\nuse (\n\ta\n\tb\n\tc\n\td\n\te\n)\nreplace w => ./w\nreplace y v1.0.0 => ./y\n",
		"a/go.mod": "module a\nrequire (\n\tb v0.0.0 // unpublished\n\tc.example v1.1.0 // an older one is published\n\td v1.0.0 // replaced\n\tlocal v0.0.0\n\tx v1.0.0\n)\n" +
			"replace d => x v1.0.0\nreplace local => ../local\n",
		"a/go.sum":     "c.example v1.0.0/go.mod h1:x\nc.example v1.0.0 h1:x\nnonsense\n",
		"local/go.mod": "module local\nrequire a v0.0.0\nrequire e v0.1.0\n",
		"b/go.mod":     "module b\nrequire e v0.0.0\nrequire c.example v1.0.0\nrequire a v0.0.0\n",
		"b/go.sum":     "c.example v1.0.0/go.mod h1:x\n",
		"c/go.mod":     "module c.example\nreplace d v1.0.0 => ../d\n", "d/go.mod": "module d\n", "e/go.mod": "module e\nrequire w v0.0.0\nreplace w => ../w\n",
		"w/go.mod": "module w\n", "y/go.mod": "module y\n",
	}
	enter(t, files)
	p := skeleton(t, load(t, "."))
	if got := tree(t, p.Root); !maps.Equal(got, files) {
		t.Errorf("the skeleton is not the workspace as it is: %q", got)
	}
	want := map[string]string{
		"a":         "b => ../b, c.example => ../c, d => x v1.0.0, e => ../e, local => ../local, w => ../w, y v1.0.0 => ../y",
		"b":         "a => ../a, d => ../d, e => ../e, local => ../local, w => ../w, y v1.0.0 => ../y",
		"c.example": "a => ../a, b => ../b, d v1.0.0 => ../d, e => ../e, local => ../local, w => ../w, y v1.0.0 => ../y",
		"d":         "a => ../a, b => ../b, c.example => ../c, e => ../e, local => ../local, w => ../w, y v1.0.0 => ../y",
		"e":         "a => ../a, b => ../b, c.example => ../c, d => ../d, local => ../local, w => ../w, y v1.0.0 => ../y",
	}
	for _, m := range p.Modules {
		name := m.File.Module.Mod.Path
		if err := m.StandAlone(); err != nil {
			t.Fatal(err)
		}
		if got := replacements(t, m); got != want[name] {
			t.Errorf("%s replaces\n%s, want\n%s", name, got, want[name])
		}
	}
}

// replacements returns those of a module's go.mod, sorted.
func replacements(t *testing.T, m Module) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(m.Dir, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for line := range strings.Lines(string(data)) {
		if r, ok := strings.CutPrefix(strings.TrimSpace(line), "replace "); ok {
			lines = append(lines, r)
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, ", ")
}
