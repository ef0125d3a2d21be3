package closure

import "golang.org/x/mod/module"

// worldModule is a module version. Its go.mod is goMod and what "go mod tidy" adds.
type worldModule struct {
	module.Version
	goMod string // without the module line; "" = there is no go.mod
	files map[string]string
}

// worldModules are what upstream has; each needs only what comes before it.
func worldModules() []worldModule {
	leaf := map[string]string{"leaf.go": "package leaf\n\nconst Name = \"leaf\"\n", "more/more.go": "package more\n"}
	one := func(name string) map[string]string { return map[string]string{name + ".go": "package " + name + "\n"} }
	return []worldModule{
		{mod("example.com/leaf@v1.0.0"), "go 1.14\n", leaf},
		{mod("example.com/leaf@v1.1.0"), "go 1.15\n", leaf},
		{mod("example.com/leaf@v1.2.0"), "go 1.22\n", leaf},
		{mod("example.com/leaf@v1.3.0"), "go 1.22\n", leaf},
		{mod("example.com/leaf@v1.3.1"), "go 1.22\n\nretract [v1.3.0, v1.3.1] // wrong name\n", leaf},
		{mod("example.com/leaf@v1.4.0-rc.1"), "go 1.22\n", leaf},
		{mod("example.com/win@v0.3.0"), "go 1.22\n", one("win")},
		{mod("example.com/nine@v0.3.0"), "go 1.22\n", one("nine")},
		{mod("example.com/special@v0.3.0"), "go 1.22\n", one("special")},
		{mod("example.com/testdep@v0.1.0"), "go 1.22\n", one("testdep")},
		{mod("example.com/testdep@v0.2.0"), "go 1.22\n\nrequire example.com/leaf v1.0.0\n", map[string]string{
			"testdep.go": "package testdep\n\nimport _ \"example.com/leaf\"\n",
		}},
		{mod("example.com/unused@v1.0.0"), "go 1.16\n", one("unused")},
		{mod("example.com/oldest@v1.0.0"), "go 1.15\n", one("oldest")},
		{mod("example.com/oldest@v1.1.0"), "go 1.15\n\nrequire example.com/leaf v1.0.0\n", map[string]string{
			"oldest.go": "package oldest\n", "x/x.go": "package x\n\nimport _ \"example.com/leaf\"\n",
		}},
		{mod("example.com/oldtest@v1.0.0"), "go 1.14\n", one("oldtest")},
		{mod("example.com/older@v1.0.0"), "go 1.15\n\nrequire example.com/oldest v1.0.0\n", map[string]string{
			"older.go":      "package older\n\nimport _ \"example.com/oldest\"\n",
			"older_test.go": "package older\n\nimport _ \"example.com/oldtest\"\n",
			"y/y.go":        "package y\n\nimport _ \"example.com/unused\"\n",
		}},
		{mod("example.com/older@v1.1.0"), "go 1.15\n\nrequire example.com/oldest v1.1.0\n", map[string]string{
			"older.go": "package older\n\nimport _ \"example.com/oldest\"\n",
			"x/x.go":   "package x\n\nimport _ \"example.com/oldest/x\"\n",
		}},
		{mod("example.com/old@v1.0.0"), "go 1.15\n\nrequire (\n\texample.com/leaf v1.0.0\n\texample.com/older v1.0.0\n)\n", map[string]string{
			"old.go":  "package old\n\nimport _ \"example.com/older\"\n",
			"x/x.go":  "package x\n\nimport _ \"example.com/leaf\"\n",
			"tool.go": "// +build ignore\n\npackage main\n\nimport _ \"example.com/nowhere\"\n",
		}},
		{mod("example.com/Inc@v2.0.0+incompatible"), "", map[string]string{
			"inc.go": "package inc\n\nimport _ \"example.com/leaf/more\"\n",
		}},
		{mod("example.com/two/v2@v2.1.0"), "go 1.18\n", one("two")},
		{mod("example.com/pseudo@v0.0.0-20260102030405-abcdefabcdef"), "go 1.18\n", one("pseudo")},
		{mod("example.com/lib/nested@v1.0.0"), "go 1.22\n", one("nested")},
		{mod("example.com/lib@v1.0.0"), libMod, libFiles},
		{mod("example.com/lib@v1.1.0"), libMod, libFiles},
		// Which version of hidden is selected depends on which packages of wide are imported.
		{mod("example.com/hidden@v0.1.0"), "go 1.22\n", one("hidden")},
		{mod("example.com/hidden@v0.2.0"), "go 1.22\n", one("hidden")},
		{mod("example.com/one@v1.0.0"), "go 1.22\n\nrequire example.com/hidden v0.1.0\n", map[string]string{
			"one.go": "package one\n", "x/x.go": "package x\n\nimport _ \"example.com/hidden\"\n",
		}},
		{mod("example.com/other@v1.0.0"), "go 1.22\n\nrequire example.com/hidden v0.2.0\n", map[string]string{
			"other.go": "package other\n", "x/x.go": "package x\n\nimport _ \"example.com/hidden\"\n",
		}},
		{mod("example.com/wide@v1.0.0"), "go 1.22\n\nrequire (\n\texample.com/old v1.0.0\n\texample.com/older v1.1.0\n\texample.com/lib v1.0.0\n\texample.com/testdep v0.2.0\n)\n", map[string]string{
			"a/a.go":      "package a\n\nimport _ \"example.com/old\"\n",
			"b/b.go":      "package b\n\nimport _ \"example.com/older/x\"\n",
			"c/c.go":      "package c\n\nimport _ \"example.com/lib\"\n",
			"c/c_test.go": "package c\n\nimport _ \"example.com/testdep\"\n",
			"d/d.go":      "package d\n",
			"e/e.go":      "package e\n\nimport _ \"example.com/one\"\n",
			"f/f.go":      "package f\n\nimport _ \"example.com/other\"\n",
		}},
		// Only who sees the whole graph knows of the newer c.
		{mod("example.com/deep/c@v1.0.0"), "go 1.18\n", one("c")},
		{mod("example.com/deep/c@v1.1.0"), "go 1.18\n", one("c")},
		{mod("example.com/deep/b@v1.0.0"), "go 1.18\n\nrequire example.com/deep/c v1.1.0\n", map[string]string{
			"b.go": "package b\n", "y/y.go": "package y\n\nimport _ \"example.com/deep/c\"\n",
		}},
		{mod("example.com/deep/a@v1.0.0"), "go 1.18\n\nrequire example.com/deep/b v1.0.0\n", map[string]string{
			"a.go": "package a\n", "x/x.go": "package x\n\nimport _ \"example.com/deep/b\"\n",
		}},
		{mod("example.com/deep@v1.0.0"), "go 1.18\n\nrequire (\n\texample.com/deep/a v1.0.0\n\texample.com/deep/c v1.0.0\n)\n", map[string]string{
			"deep.go": "package deep\n\nimport (\n\t_ \"example.com/deep/a\"\n\t_ \"example.com/deep/c\"\n)\n",
			"z/z.go":  "package z\n",
		}},
		{mod("example.com/strict@v1.0.0"), "go 1.22\n\nrequire example.com/leaf v1.1.0\n\nexclude example.com/leaf v1.2.0\n", map[string]string{
			"strict.go": "package main\n\nimport _ \"example.com/leaf\"\n\nfunc main() {}\n",
		}},
		{mod("example.com/future@v1.0.0"), "", map[string]string{
			"go.mod":       "module example.com/future\n\ngo 1.99.1\n\nrequire example.com/leaf v1.2.0\n",
			"go.sum":       "example.com/leaf v1.2.0 h1:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\nexample.com/leaf v1.2.0/go.mod h1:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n",
			"future.go":    "package future\n\nimport _ \"example.com/leaf\"\n",
			"cmd/x/x.go":   "package main\n\nfunc main() {}\n",
			"cmd/x/go.txt": "",
		}},
		{mod("example.com/lame@v1.0.0"), "", map[string]string{ // works as a dependency only
			"go.mod": "module example.com/lame\n\ngo 1.22\n\nrequire (\n\texample.com/leaf v1.2.0\n\texample.com/gone v1.0.0\n)\n\n" +
				"replace example.com/gone => ../gone\n\nreplace example.com/leaf => example.com/leaf v1.1.0\n",
			"lame.go":     "package lame\n\nimport _ \"example.com/leaf\"\n",
			"x/x_test.go": "package x\n\nimport _ \"example.com/gone\"\n",
		}},
	}
}

const libMod = "go 1.24\n\nrequire (\n\texample.com/leaf v1.1.0\n\texample.com/old v1.0.0\n\texample.com/Inc v2.0.0+incompatible\n)\n"

var libFiles = map[string]string{
	"lib.go":               "package lib\n\nimport (\n\t_ \"example.com/Inc\"\n\t_ \"example.com/leaf\"\n\t_ \"example.com/lib/internal/secret\"\n)\n",
	"lib_windows.go":       "package lib\n\nimport _ \"example.com/win\"\n",
	"lib_plan9.go":         "package lib\n\nimport _ \"example.com/nine\"\n",
	"special.go":           "//go:build special && !plan9\n\npackage lib\n\nimport _ \"example.com/special\"\n",
	"lib_test.go":          "package lib_test\n\nimport (\n\t\"testing\"\n\n\t_ \"example.com/testdep\"\n)\n\nfunc TestNothing(*testing.T) {}\n",
	"gen.go":               "//go:build ignore\n\npackage main\n\nimport _ \"example.com/nowhere\"\n",
	"internal/secret/s.go": "package secret\n\nimport _ \"example.com/two/v2\"\n",
	"sub/sub.go":           "package sub\n\nimport _ \"example.com/old\"\n",
	"testdata/x/x.go":      "package x\n\nimport _ \"example.com/nowhere\"\n",
	"_skip/x.go":           "package x\n\nimport _ \"example.com/nowhere\"\n",
	"only/only_plan9.go":   "package only\n\nimport _ \"example.com/pseudo\"\n",
	"docs/docs.go":         "//go:build ignore\n\npackage docs\n",
	"cmd/libtool/main.go":  "package main\n\nimport _ \"example.com/lib/nested\"\n\nfunc main() {}\n",
	"cmd/libtool/w.go":     "//go:build windows\n\npackage main\n\nimport _ \"example.com/leaf/more\"\n",
}
