package project

import (
	"errors"
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
		if info, statErr := os.Lstat(path); statErr != nil || info.Mode().Perm()&0o600 != 0o600 || !info.Mode().IsRegular() {
			t.Errorf("%s is %v, %v", path, info.Mode(), statErr)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func copyTo(t *testing.T, p *Project, dst string, o CopyOptions) *Project {
	t.Helper()
	if err := os.MkdirAll(dst, 0o755); err != nil {
		t.Fatal(err)
	}
	c, err := p.Copy(dst, o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// assertTree compares the files below dir with those wanted; "=" stands for the content that the original has.
func assertTree(t *testing.T, dir string, original, want map[string]string) {
	t.Helper()
	got := tree(t, dir)
	for name, text := range want {
		if text == "=" {
			text = original[name]
		}
		switch have, ok := got[name]; {
		case !ok:
			t.Errorf("%s is missing", name)
		case have != text:
			t.Errorf("%s is %q, want %q", name, have, text)
		}
		delete(got, name)
	}
	for name := range got {
		t.Errorf("%s is there", name)
	}
}

// messy is a project with all that makes copying hard.
var messy = map[string]string{
	"go.mod": "module a\n", "go.sum": "", "a.go": "package a\n", "a.txt": "text", "asm.s": "", "script.sh": "#!/bin/sh\n",
	"sub/b.go": "package sub\n", "sub/go.sum": "not one", "_under/x.go": "package x\n", ".dot/e.txt": "", ".dot/e.go": "package e\n",
	"node_modules/x/x.go": "package x\n", "node_modules/x/x.js": "",
	"testdata/t.go": "package t\n", "testdata/mod/go.mod": "module t\n", "testdata/mod/m.go": "package m\n",
	"nested/go.mod": "nonsense", "nested/n.go": "package n\n", "nested/deeper/n.go": "package n\n",
	".git/config": "", "sub/.hg/x.go": "", "sub/.git": "gitdir: elsewhere", "vendor/modules.txt": "", "vendor/v/v.go": "package v\n", "sub/vendor/v.go": "package v\n",
	"link.go": "-> a.go", "link.txt": "-> ../outside.txt", "loop": "-> .", "sub/up": "-> ..", "broken.go": "-> gone.go", "self.go": "-> self.go", "dir.go": "-> sub",
	"sub/go.work": "go 1.22\n", "store/blobs/x": "", "store/index.json": "", "directory.go/": "", "empty/": "", "strange/go.mod/x.go": "package x\n",
}

func TestCopyLeavesOutWhatDoesNotBelongToTheProject(t *testing.T) {
	for _, tt := range []struct {
		name string
		dst  string
		o    CopyOptions
		want []string
	}{
		{"everything", "dst", CopyOptions{Skip: []string{"p/store", "p/gone"}}, []string{
			"go.mod", "go.sum", "a.go", "a.txt", "asm.s", "script.sh", "sub/b.go", "sub/go.sum", "_under/x.go", ".dot/e.txt", ".dot/e.go", "node_modules/x/x.go", "node_modules/x/x.js",
			"testdata/t.go", "sub/vendor/v.go", "link.go", "link.txt", "strange/go.mod/x.go",
		}},
		{"Go", "dst", CopyOptions{GoOnly: true}, []string{
			"go.mod", "go.sum", "a.go", "sub/b.go", "_under/x.go", "node_modules/x/x.go", "testdata/t.go", "sub/vendor/v.go", "link.go", "strange/go.mod/x.go",
		}},
		{"within the project", "p/sub/tmp/dst", CopyOptions{GoOnly: true}, []string{
			"go.mod", "go.sum", "a.go", "sub/b.go", "_under/x.go", "node_modules/x/x.go", "testdata/t.go", "sub/vendor/v.go", "link.go", "strange/go.mod/x.go",
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := enter(t, map[string]string{"outside.txt": "outside"})
			write(t, "p", messy)
			for _, name := range []string{"go.mod", "go.sum", "a.go"} {
				if err := os.Chmod(filepath.Join("p", name), 0o444); err != nil {
					t.Fatal(err)
				}
			}
			want := make(map[string]string)
			for _, name := range tt.want {
				want[name] = "="
			}
			original := map[string]string{"link.go": messy["a.go"], "link.txt": "outside"}
			for name, text := range messy {
				if original[name] == "" {
					original[name] = text
				}
			}
			c := copyTo(t, load(t, "p"), tt.dst, tt.o)
			if c.Root != filepath.Join(dir, filepath.FromSlash(tt.dst)) || len(c.Modules) != 1 || c.Work != nil || len(c.Problems) > 0 {
				t.Errorf("the copy is %+v", c)
			}
			assertTree(t, tt.dst, original, want)
		})
	}
}

func TestCopyKeepsPlacesAndMendsPaths(t *testing.T) {
	dir := t.TempDir()
	abs := filepath.ToSlash(dir)
	files := map[string]string{
		"w/p/go.work": "go 1.22\n\nuse (\n\t. // here\n\t" + abs + "/w/lib\n\t\"../p/in\"\n\t./gone\n\t./bad\n)\nuse ../bare\nuse " + abs + "/w/q\n\nreplace x => " + abs + "/w/far/x\nreplace y v1.0.0 => ./gone\n",
		"w/p/go.mod": "module a // of all\n\ngo 1.22\n" + "\nreplace (\n\tx v1.0.0 => " + abs + "/w/far/x // why\n\tx v1.1.0 => ./gone // not\n\tz => ../p/in/z\n)\n" +
			"replace \"x\" v1.2.0 => ../../w/far/x\nreplace z v1.0.0 => z v1.1.0\nrequire lib v0.0.0",
		"w/p/go.work.sum": "sum", "w/p/in/go.mod": "module in\n", "w/p/in/z/go.mod": "module z\n", "w/p/in/z/z.go": "package z\n", "w/p/in/z/n/go.mod": "module n\n",
		"w/lib/go.mod": "module lib\n", "w/lib/.git/config": "", "w/lib/go.work": "go 1.22\n", "w/lib/vendor/modules.txt": "", "w/bare/x": "", "w/q/go.mod": "module q\n",
		"w/far/x/go.mod": "module x\n", "w/far/x/vendor/x.txt": "", "w/far/y/go.mod": "module y\n", "w/p/bad/go.mod": "nonsense\n", "above/x": "",
	}
	write(t, dir, files)
	t.Chdir(t.TempDir())
	dst := t.TempDir()
	c := copyTo(t, load(t, filepath.Join(dir, "w", "p")), dst, CopyOptions{})
	want := map[string]string{
		"p/go.work": "go 1.22\n\nuse (\n\t. // here\n\t../lib\n\t../p/in\n)\n\nuse ../q\n\nreplace x => ../far/x\n",
		"p/go.mod": "module a // of all\n\ngo 1.22\n\nreplace (\n\tx v1.0.0 => ../far/x // why\n\tz => ../p/in/z\n)\n\n" +
			"replace x v1.2.0 => ../far/x\n\nreplace z v1.0.0 => z v1.1.0\n\nrequire lib v0.0.0\n",
		"p/in/go.mod": "=", "lib/go.mod": "=", "q/go.mod": "=",
	}
	original := make(map[string]string)
	for name, text := range files {
		original[strings.TrimPrefix(name, "w/")] = text
	}
	for _, name := range []string{"p/go.work.sum", "p/in/z/go.mod", "p/in/z/z.go", "far/x/go.mod", "far/x/vendor/x.txt", "p/bad/go.mod"} {
		want[name] = "="
	}
	assertTree(t, dst, original, want)
	if got := strings.Join(modules(c), " "); got != "a lib in q" || c.Root != filepath.Join(dst, "p") {
		t.Errorf("the copy has %s in %s", got, c.Root)
	}
	for _, problem := range c.Problems {
		var p *Problem
		if errors.As(problem, &p); !p.Warning {
			t.Errorf("in the copy: %v", problem)
		}
	}
}

func TestCopyWithAParentThatIsAlsoCopied(t *testing.T) {
	// "../p" in a go.mod is right where the project is, and leads out of the copy.
	enter(t, map[string]string{"p/go.mod": "module a\nreplace b => ../p/b\n", "p/b/go.mod": "module b\n"})
	copyTo(t, load(t, "p"), "dst", CopyOptions{})
	assertTree(t, "dst", nil, map[string]string{"go.mod": "module a\n\nreplace b => ./b\n", "b/go.mod": "module b\n"})
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
	p := copyTo(t, load(t, "."), "dst", CopyOptions{GoOnly: true})
	if got := tree(t, "dst"); !maps.Equal(got, files) {
		t.Errorf("the copy is not the workspace as it is: %q", got)
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
		if err := m.Rejoin(); err != nil {
			t.Fatal(err)
		}
		if got, want := replacements(t, m), replacements(t, Module{Dir: filepath.Base(m.Dir)}); got != want {
			t.Errorf("%s replaces %s with the others again, want %s", name, got, want)
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

func TestCopyRefuses(t *testing.T) {
	enter(t, map[string]string{"p/go.mod": "module a\n", "full/x": "", "file": ""})
	for _, dst := range []string{"full", "gone", "file"} {
		if _, err := load(t, "p").Copy(dst, CopyOptions{}); err == nil || !strings.HasPrefix(err.Error(), "copying the project p: ") {
			t.Errorf("%s: got %v", dst, err)
		}
	}
}

func TestCopyNamesWhatCannotBeRead(t *testing.T) {
	enter(t, map[string]string{"p/go.mod": "module a\n", "p/secret/a.go": "", "p/b.go": "", "p/c.txt": "", "dst/": "", "dst2/": ""})
	for _, name := range []string{"p/secret", "p/b.go", "p/c.txt"} {
		if err := os.Chmod(name, 0); err != nil {
			t.Fatal(err)
		}
		defer os.Chmod(name, 0o755)
	}
	if _, err := os.ReadFile("p/b.go"); err == nil {
		t.Skip("this user can read everything")
	}
	_, err := load(t, "p").Copy("dst", CopyOptions{})
	for _, name := range []string{"secret", "b.go", "c.txt"} {
		if !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s is not in %v", name, err)
		}
	}
	if _, err := load(t, "p").Copy("dst2", CopyOptions{GoOnly: true}); err == nil || strings.Contains(err.Error(), "c.txt") {
		t.Errorf("got %v, want nothing about what is not copied", err)
	}
	for i := range 50 {
		write(t, "q", map[string]string{"go.mod": "module a\n", string(rune('a'+i%26)) + strings.Repeat("x", i/26) + ".go": ""})
	}
	matches, _ := filepath.Glob("q/*.go")
	for _, name := range matches {
		_ = os.Chmod(name, 0)
	}
	write(t, ".", map[string]string{"dst3/": ""})
	if _, err := load(t, "q").Copy("dst3", CopyOptions{}); err == nil || strings.Count(err.Error(), "\n") != maxErrors-1 {
		t.Errorf("got %v, want %d lines", err, maxErrors)
	}
}
