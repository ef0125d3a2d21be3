package project

import (
	"fmt"
	"go/version"
	"slices"

	"golang.org/x/mod/modfile"
)

// checkGoLines looks for directives that are newer than the go line of their file. The go command writes them without
// raising it, and an older go command goes by it: it fails on such a directive where it would switch to a newer toolchain.
func (p *Project) checkGoLines() {
	if p.Work != nil {
		p.checkGoLine(p.Work.Syntax, p.Work.Go, "work")
	}
	for m := range p.readable {
		p.checkGoLine(m.File.Syntax, m.File.Go, "mod")
	}
}

// checkGoLine warns of each kind of directive once. The file is edited by "go <editor> edit".
func (p *Project) checkGoLine(file *modfile.FileSyntax, line *modfile.Go, editor string) {
	if line == nil {
		line = &modfile.Go{Version: "1.16"} // as the go command does
	}
	var known []string
	for _, stmt := range file.Stmt {
		directive := ""
		switch s := stmt.(type) {
		case *modfile.Line:
			directive = s.Token[0]
		case *modfile.LineBlock:
			directive = s.Token[0]
		}
		since := readSince(directive)
		if since == "" || version.Compare("go"+line.Version, "go"+since) >= 0 || slices.Contains(known, directive) {
			continue
		}
		known = append(known, directive)
		start, _ := stmt.Span()
		err := fmt.Errorf("%s lines are for Go %s and later, but the go line says %s: older go commands fail on them instead of "+
			"switching to a newer toolchain; \"go %s edit -go=%[2]s\" mends that", directive, since, line.Version, editor)
		p.add(&Problem{File: file.Name, Line: start.Line, Err: err, Warning: true})
	}
}

// readSince returns the first Go release that can read a directive; "" for those that go commands read which switch toolchains.
func readSince(directive string) string {
	switch directive {
	case "godebug":
		return "1.23"
	case "tool":
		return "1.24"
	case "ignore":
		return "1.25"
	}
	return ""
}
