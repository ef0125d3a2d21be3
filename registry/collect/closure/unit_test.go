package closure

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/module"
)

func TestSelectable(t *testing.T) {
	main := consumerPath
	graphText := fmt.Sprintf("%s go@1.26\n%[1]s a@v1.0.0\n%[1]s old@v1.0.0\na@v1.0.0 t@v1.0.0\na@v1.0.0 old@v1.0.0\nt@v1.0.0 x@v1.0.0\n"+
		"old@v1.0.0 t@v1.1.0\nt@v1.1.0 y@v1.0.0\ny@v1.0.0 t@v1.0.0\ngo@1.26 toolchain@go1.26\n", main)
	g, err := parseGraph([]byte(graphText))
	if err != nil {
		t.Fatal(err)
	}
	names := func(list []module.Version) string {
		var all []string
		for _, m := range list {
			all = append(all, m.String())
		}
		return strings.Join(all, " ")
	}
	if got, want := names(g.nodes()), "a@v1.0.0 old@v1.0.0 t@v1.0.0 t@v1.1.0 x@v1.0.0 y@v1.0.0"; got != want {
		t.Errorf("nodes %s, want %s", got, want)
	}
	isPruned := func(m module.Version) bool { return m.Path == "a" }
	if got, want := names(g.selectable(isPruned)), "a@v1.0.0 old@v1.0.0 t@v1.0.0 t@v1.1.0 x@v1.0.0 y@v1.0.0"; got != want {
		t.Errorf("selectable %s, want %s", got, want)
	}
	if _, err := parseGraph([]byte("one two three\n")); err == nil || !strings.Contains(err.Error(), "one two three") {
		t.Errorf("a line of three: %v", err)
	}
}

func TestFindPackages(t *testing.T) {
	dir := t.TempDir()
	const ignored = "//go:build ignore\n\npackage p\n"
	write(t, dir, map[string]string{
		"p.go":                   "package p\n",
		"main/m.go":              "package main\n",
		"both/b.go":              ignored,
		"both/b_windows.go":      "package b\n",
		"never/n.go":             ignored,
		"never/n_test.go":        "package n\n",
		"old/o.go":               "// Copyright\n\n// +build ignore\n\npackage o\n",
		"oldwin/o.go":            "// +build windows,!ignore !windows\n\npackage o\n",
		"contradiction/c.go":     "//go:build linux && !linux\n\npackage c\n",
		"later/l.go":             "package l\n\n//go:build ignore\n",
		"docs/doc.go":            "package documentation\n",
		"broken/b.go":            "pack age\n",
		"a/internal/i.go":        "package internal\n",
		"testdata/t.go":          "package t\n",
		"vendor/v/v.go":          "package v\n",
		"_x/x.go":                "package x\n",
		".x/x.go":                "package x\n",
		"deep/er/_x.go":          "package x\n",
		"deep/er/.x.go":          "package x\n",
		"deep/er/est/x.go":       "package x\n",
		"internals/i.go":         "package i\n",
		"embed/files/readme.txt": "no Go\n",
	})
	got, err := findPackages("example.com/m/v2", dir)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"", "/both", "/contradiction", "/deep/er/est", "/internals", "/later", "/main", "/oldwin"}
	for i := range want {
		want[i] = "example.com/m/v2" + want[i]
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s, want\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func FuzzParseGraph(f *testing.F) {
	f.Add(consumerPath + " a@v1.0.0\na@v1.0.0 b@v1.0.0\nb@v1.0.0 a@v1.0.0\n")
	f.Add("a\n")
	f.Fuzz(func(t *testing.T, text string) {
		g, err := parseGraph([]byte(text))
		if err != nil {
			return
		}
		nodes := g.nodes()
		for _, m := range g.selectable(func(m module.Version) bool { return len(m.Path)%2 == 0 }) {
			if !slices.Contains(nodes, m) {
				t.Errorf("%v may be selected, but is not in the graph", m)
			}
		}
	})
}
