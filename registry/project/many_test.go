package project

import (
	"fmt"
	"strings"
	"testing"
)

// BenchmarkSkeletonOfALargeWorkspace has modules that replace each other, with a go.sum each.
func BenchmarkSkeletonOfALargeWorkspace(b *testing.B) {
	const modules, sums = 200, 1000
	files := make(map[string]string)
	var uses, replaces, sum strings.Builder
	for i := range modules {
		fmt.Fprintf(&uses, "use ./m%d\n", i)
		fmt.Fprintf(&replaces, "replace corp.example/m%d => ../m%[1]d\n", i)
	}
	for i := range sums {
		fmt.Fprintf(&sum, "example.com/d%d v1.0.0/go.mod h1:x\n", i)
	}
	files["go.work"] = "go 1.24\n" + uses.String()
	for i := range modules {
		files[fmt.Sprintf("m%d/go.mod", i)] = fmt.Sprintf("module corp.example/m%d\n\ngo 1.24\n\nrequire corp.example/m%d v0.0.0\n", i, (i+1)%modules) + replaces.String()
		files[fmt.Sprintf("m%d/go.sum", i)] = sum.String()
	}
	dir := b.TempDir()
	write(b, dir, files)
	for b.Loop() {
		p, err := Load(dir)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := p.Skeleton(b.TempDir()); err != nil {
			b.Fatal(err)
		}
	}
}
