package project

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// write writes files below dir; a name that ends in "/" is a directory, and a text "-> x" is a symbolic link.
func write(t testing.TB, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		parent, what := filepath.Dir(path), func() error { return os.WriteFile(path, []byte(text), 0o644) }
		if to, ok := strings.CutPrefix(text, "-> "); ok {
			what = func() error { return os.Symlink(filepath.FromSlash(to), path) }
		} else if strings.HasSuffix(name, "/") {
			what = func() error { return os.Mkdir(path, 0o755) }
		}
		if err := errors.Join(os.MkdirAll(parent, 0o755), what()); err != nil {
			t.Fatal(err)
		}
	}
}

// enter writes files into a new directory and goes there.
func enter(t *testing.T, files map[string]string) string {
	t.Helper()
	t.Chdir(t.TempDir())
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	write(t, dir, files)
	return dir
}

func load(t *testing.T, dir string) *Project {
	t.Helper()
	p, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// problems returns a project's problems as text, warnings marked.
func problems(p *Project) []string {
	var texts []string
	for _, err := range p.Problems {
		var problem *Problem
		text := err.Error()
		if errors.As(err, &problem) && problem.Warning {
			text = "warning: " + text
		}
		texts = append(texts, text)
	}
	return texts
}

// modules returns the paths of a project's modules, "?" if it has none.
func modules(p *Project) []string {
	paths := []string{}
	for _, m := range p.Modules {
		path := "?"
		if m.File != nil {
			path = m.File.Module.Mod.Path
		}
		paths = append(paths, path)
	}
	return paths
}

const newGo = "go 1.999.0\n"

func TestLoad(t *testing.T) {
	for _, tt := range []struct {
		name     string
		files    map[string]string
		modules  string
		patterns string
		problems []string // beginnings
	}{
		{"module", map[string]string{"p/go.mod": "module a\n"}, "a", "./...", nil},
		{"workspace with and without the root, further up and down", map[string]string{
			"p/go.work": "go 1.22\nuse (\n\t./b\n\t../c\n\t.\n\t\"./b\"\n\t./sub/d\n)\n",
			"p/go.mod":  "module a\n", "p/b/go.mod": "module b\n", "c/go.mod": "module c\n", "p/sub/d/go.mod": "module d\n",
		}, "a b c d", "./... ./b/... ../c/... ./sub/d/...", nil},
		{"workspace without a module in its root", map[string]string{"p/go.work": "go 1.22\nuse ./b\n", "p/b/go.mod": "module b\n"}, "b", "./b/...", nil},
		{"empty workspace", map[string]string{"p/go.work": ""}, "", "", nil},
		{
			"module that the workspace does not use",
			map[string]string{"p/go.work": "go 1.22\nuse ./b\n", "p/b/go.mod": "module b\n", "p/go.mod": "module a\n"},
			"a b", "./b/...",
			[]string{"warning: p/go.mod: go.work does not use this module"},
		},
		{"workspace further up", map[string]string{"go.work": "go 1.22\nuse ./p\n", "p/go.mod": "module a\n"}, "a", "./...", nil},
		{
			"uses of nothing",
			map[string]string{"p/go.work": "go 1.22\nuse ./b\nuse (\n\t../c\n\t./f\n\t./ok\n)\n", "c/x": "", "p/f": "", "p/ok/go.mod": "module ok\n"},
			"ok", "./ok/...",
			[]string{
				"p/go.work:2: use ./b: there is no such directory", "p/go.work:4: use ../c: there is no go.mod in that directory", "p/go.work:5: use ./f: there is no such directory",
			},
		},
		{
			"nonsense",
			map[string]string{"p/go.mod": "module a\n\nrequier x v1\nrequire x.example master\n"},
			"?", "./...",
			[]string{"p/go.mod:3: unknown directive: requier", "p/go.mod:4: require x.example: version \"master\" invalid"},
		},
		{"nonsense for an old Go", map[string]string{"p/go.mod": "module a\ngo 1.17\nfrobnicate x\n"}, "?", "./...", []string{"p/go.mod:3: unknown directive: frobnicate"}},
		{"no syntax", map[string]string{"p/go.mod": "module a\n" + newGo + "\"\n"}, "?", "./...", []string{"p/go.mod:3: "}},
		{"no module line", map[string]string{"p/go.mod": "go 1.22\n"}, "?", "./...", []string{"p/go.mod: it does not say which module"}},
		{
			"lines of a newer Go",
			map[string]string{"p/go.mod": "module a\nfrobnicate x\n" + newGo},
			"?", "./...",
			[]string{"p/go.mod:2: unknown directive: frobnicate", "p/go.mod: it is for Go 1.999.0, which is newer than this program"},
		},
		{"workspace of a newer Go", map[string]string{"p/go.work": newGo + "frobnicate x\n"}, "", "", []string{"p/go.work:2: unknown directive: frobnicate", "p/go.work: it is for Go 1.999.0"}},
		{"workspace of nonsense", map[string]string{"p/go.work": "go 1.22\nfrobnicate x\nuse ./b\n", "p/b/go.mod": "module b\n"}, "", "", []string{"p/go.work:2: unknown directive: frobnicate"}},
		{"one bad module of two", map[string]string{"p/go.work": "go 1.22\nuse ./b\nuse ./c\n", "p/b/go.mod": "modul b\n", "p/c/go.mod": "module c\n"}, "? c", "./b/... ./c/...", []string{"p/b/go.mod:1: unknown directive: modul"}},
		{
			"directives that are newer than the go line, which is where an older go command looks",
			map[string]string{
				"p/go.work":  "go 1.22\nuse ./b\nuse ./c\ngodebug panicnil=1\n",
				"p/b/go.mod": "module b\ngo 1.24\nignore (\n\t./x\n)\ntool b/x\ntool b/y\n",
				"p/c/go.mod": "module c\ntool c/x\ntool c/y\ntoolchain go1.23.4\n",
			},
			"b c", "./b/... ./c/...",
			[]string{
				"warning: p/go.work:4: godebug lines are for Go 1.23 and later, but the go line says 1.22",
				"warning: p/b/go.mod:3: ignore lines are for Go 1.25 and later, but the go line says 1.24", "warning: p/c/go.mod:2: tool lines are for Go 1.24 and later, but there is no go line",
			},
		},
		{"directives as new as the toolchain line", map[string]string{"p/go.mod": "module a\ngo 1.21\ntoolchain go1.24.1\ntool a/x\n"}, "a", "./...", nil},
		{"directives as new as the go line", map[string]string{"p/go.mod": "module a\ngo 1.25.0\ngodebug panicnil=1\ntool a/x\nignore ./x\n"}, "a", "./...", nil},
		{"replacements by directories", map[string]string{
			"p/go.work": "go 1.22\nuse .\nreplace e.example => ../e\n",
			"p/go.mod":  "module a\nreplace b.example v1.0.0 => ./b\nreplace c.example => ../c\nreplace d.example => ./d\n", "p/b/go.mod": "module b\n", "e/go.mod": "nonsense\n", "p/d/": "",
		}, "a", "./...", []string{
			"warning: p/go.work:3: e.example: replaced by a directory: not mirrorable", "e/go.mod: it does not say which module",
			"warning: p/go.mod:2: b.example: replaced by a directory: not mirrorable", "p/go.mod:3: c.example: replaced by the directory ../c: there is no such", "p/go.mod:4: d.example: replaced by the directory ./d: there is no go.mod",
		}},
		{"pipes and directories", map[string]string{"p/go.mod/": "", "p/go.work": "go 1.22\nuse .\n"}, "", "", []string{"p/go.work:2: use .: there is no go.mod"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			enter(t, tt.files)
			p := load(t, "p")
			if got := strings.Join(modules(p), " "); got != tt.modules {
				t.Errorf("modules %s, want %s", got, tt.modules)
			}
			if got := strings.Join(p.Patterns(), " "); got != tt.patterns {
				t.Errorf("patterns %s, want %s", got, tt.patterns)
			}
			if got := problems(p); !slices.EqualFunc(got, tt.problems, strings.HasPrefix) {
				t.Errorf("problems %s\nwant %s", strings.Join(got, "\n"), strings.Join(tt.problems, "\n"))
			}
		})
	}
}

func TestLoadKeepsWhatOthersNeed(t *testing.T) {
	root := enter(t, map[string]string{
		"go.work": "go 1.25.0\n\ntoolchain go1.26.8\n\nuse ./b\n", "go.work.sum": "", "b/go.sum": "",
		"b/go.mod": "module b\n" + newGo + "toolchain go1.999.3\nreplace c => ../c\nreplace b2 => .\n", "c/go.mod": "module c\n", "c/go.sum": "",
	})
	p := load(t, ".")
	if p.Root != root || p.Work.Toolchain.Name != "go1.26.8" || p.Modules[0].Dir != filepath.Join(root, "b") {
		t.Errorf("%+v", p)
	}
	f := p.Modules[0].File
	if f.Toolchain.Name != "go1.999.3" || f.Toolchain.Syntax.Start.Line != 3 || f.Syntax.Name != filepath.Join("b", "go.mod") {
		t.Errorf("%+v of %s", f.Toolchain, f.Syntax.Name)
	}
	if got, want := p.SumFiles(), []string{filepath.Join(root, "go.work.sum"), filepath.Join(root, "b", "go.sum")}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := p.dirs(), []string{filepath.Join(root, "b"), filepath.Join(root, "c")}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestLoadRefuses(t *testing.T) {
	enter(t, map[string]string{"empty/": "", "file": "", "go.mod": "module a\n"})
	for dir, want := range map[string]error{"empty": ErrNoProject, "gone": fs.ErrNotExist, "file": nil} {
		if _, err := Load(dir); err == nil || want != nil && !errors.Is(err, want) {
			t.Errorf("%s: got %v", dir, err)
		}
	}
}

func TestProblemsOfAFileAreBounded(t *testing.T) {
	enter(t, map[string]string{"p/go.mod": "module a\n" + strings.Repeat("frobnicate x\n", 3000)})
	if got := problems(load(t, "p")); len(got) != maxProblems+1 || got[maxProblems] != "p/go.mod: 2980 more mistakes" {
		t.Errorf("%d problems, the last is %s", len(got), got[len(got)-1])
	}
}

func TestFingerprint(t *testing.T) {
	files := map[string]string{
		"p/go.work": "go 1.22\nuse .\nuse ../b\n", "p/go.work.sum": "", "p/go.mod": "module a\nreplace c => ./c\n", "p/go.sum": "x",
		"b/go.mod": "module b\n", "p/c/go.mod": "module c\n", "p/other": "", "p/n/go.mod": "module n\n",
	}
	enter(t, files)
	fingerprint := func(dir string) string {
		sum, err := load(t, dir).Fingerprint()
		if err != nil || !strings.HasPrefix(sum, "sha256:") || len(sum) != len("sha256:")+64 {
			t.Fatalf("%q, %v", sum, err)
		}
		return sum
	}
	before := fingerprint("p")
	for name, counts := range map[string]bool{
		"p/go.work": true, "p/go.work.sum": true, "p/go.mod": true, "p/go.sum": true, "b/go.mod": true, "b/go.sum": true, "p/c/go.mod": true, "p/c/go.sum": true,
		"p/other": false, "p/a.go": false, "p/n/go.mod": false,
	} {
		write(t, ".", map[string]string{name: files[name] + "\n// changed\n"})
		if changed := fingerprint("p") != before; changed != counts {
			t.Errorf("after a change in %s: changed is %t", name, changed)
		}
		if text, ok := files[name]; ok {
			write(t, ".", map[string]string{name: text})
		} else if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
	write(t, "elsewhere", files)
	if fingerprint("elsewhere/p") != before || fingerprint("p") != before {
		t.Error("it depends on where the project is")
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("module a\n" + newGo + "frobnicate x // y\nfrobs (\n\ta b\n)\nrequire b v1.0.0\nreplace b v1.0.0 => ../b // why\n"))
	f.Add([]byte("go 1.999\r\nmodule \"a\"\r\nreplace (\r\n\tb => c v1.0.0\r\n\tc => b v1.0.0\r\n)"))
	f.Add([]byte("go 1.22\nuse ../b\nuse (\n\t./x\n\t\"../y z\"\n)\nreplace b => ../b\nreplace c v1.0.0 => ./c\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		dir := t.TempDir()
		write(t, dir, map[string]string{"p/go.mod": string(data), "w/go.work": string(data), "b/go.mod": "module b\n"})
		for _, name := range []string{"p", "w"} {
			p, err := Load(filepath.Join(dir, name))
			if err != nil {
				t.Fatal(err)
			}
			for _, problem := range problems(p) {
				if !strings.HasPrefix(strings.TrimPrefix(problem, "warning: "), dir) {
					t.Errorf("a problem without a file: %s", problem)
				}
			}
			s, err := p.Skeleton(filepath.Join(dir, "skeleton"))
			if err != nil {
				t.Fatal(err)
			}
			if p.Work == nil {
				continue
			}
			if err := p.WriteWork(filepath.Join(s.Root, "go.work")); err != nil {
				t.Fatal(err)
			}
			moved, err := Load(s.Root)
			if err != nil || moved.Work == nil {
				t.Fatalf("it cannot be read elsewhere: %v, %v", err, problems(moved))
			}
			for _, m := range p.Modules {
				if !moved.uses(m.Dir) {
					t.Errorf("elsewhere it does not use %s", m.Dir)
				}
			}
		}
	})
}
