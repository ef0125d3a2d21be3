package project

import (
	"fmt"
	"go/version"
	"slices"

	"golang.org/x/mod/modfile"
)

// checkGoLines looks for directives that are newer than the go line of their file. The go command writes them without
// raising it, and an older go command goes by it: it fails on such a directive where it would switch to a newer
// toolchain.
func (p *Project) checkGoLines() {
	if p.Work != nil {
		p.checkGoLine(p.Work.Syntax, p.Work.Go, p.Work.Toolchain, "work")
	}
	for m := range p.readable {
		p.checkGoLine(m.File.Syntax, m.File.Go, m.File.Toolchain, "mod")
	}
}

// checkGoLine warns of each kind of directive once. A toolchain line makes older go commands switch, too. The file is
// edited by "go <editor> edit".
func (p *Project) checkGoLine(file *modfile.FileSyntax, line *modfile.Go, toolchain *modfile.Toolchain, editor string) {
	says := "there is no go line"
	if line == nil {
		line = &modfile.Go{Version: "1.16"} // as the go command does
	} else {
		says = "the go line says " + line.Version
	}
	switchesTo := "go" + line.Version
	if toolchain != nil && version.Compare(toolchain.Name, switchesTo) > 0 {
		switchesTo = toolchain.Name
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
		if since == "" || version.Compare(switchesTo, "go"+since) >= 0 || slices.Contains(known, directive) {
			continue
		}
		known = append(known, directive)
		start, _ := stmt.Span()
		err := fmt.Errorf("%s lines are for Go %s and later, but %s: older go commands fail on them "+
			"instead of switching to a newer toolchain; \"go %s edit -go=%[2]s\" mends that",
			directive, since, says, editor)
		p.add(&Problem{File: file.Name, Line: start.Line, Err: err, Warning: true})
	}
}

// readSince returns the first Go release that can read a directive; "" for those that each release can read which
// switches toolchains.
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
