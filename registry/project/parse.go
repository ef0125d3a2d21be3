package project

import (
	"errors"
	"fmt"
	"go/version"
	"runtime"

	"golang.org/x/mod/modfile"
)

// maxProblems is how many problems of one file are reported.
const maxProblems = 20

// parser is modfile.Parse or modfile.ParseWork.
type parser[F any] func(name string, data []byte, fix modfile.VersionFixer) (*F, error)

// parse reads a go.mod or go.work file, and is as lenient as the go command where
// that is: a file that modfile does not know all of may be for a newer Go. Then, and
// if modfile.ParseLax can read it, the lines with mistakes are left out and the
// problems are warnings. Otherwise the result is nil if there is any mistake.
// Positions are those in data in any case.
func parse[F any](name string, data []byte, strict parser[F]) (*F, []*Problem) {
	f, err := strict(name, data, nil)
	if err == nil {
		return f, nil
	}
	var mistakes modfile.ErrorList
	if !errors.As(err, &mistakes) {
		return nil, []*Problem{{File: name, Err: err}}
	}
	lax, err := modfile.ParseLax(name, data, nil) // it knows the syntax of go.work too, and no more is needed
	if err == nil && lax.Go != nil && isNewer(lax.Go.Version) {
		if f, err = strict(name, blank(data, lax.Syntax, mistakes), nil); err == nil {
			return f, problemsOf(name, mistakes, lax.Go.Version)
		}
	}
	return nil, problemsOf(name, mistakes, "")
}

// isNewer reports whether a go line is for a Go newer than that of this program.
// A Go of no release has no version, and everything is newer.
func isNewer(goVersion string) bool {
	return version.Compare("go"+goVersion, runtime.Version()) > 0
}

// problemsOf describes mistakes in a file, which were left out if it is for a newer Go.
func problemsOf(name string, mistakes modfile.ErrorList, newer string) []*Problem {
	var problems []*Problem
	for i, e := range mistakes {
		if i == maxProblems {
			err := fmt.Errorf("%d more mistakes", len(mistakes)-i)
			return append(problems, &Problem{File: name, Err: err, Warning: newer != ""})
		}
		p := &Problem{File: name, Line: e.Pos.Line, Module: e.ModPath, Err: e.Err, Warning: newer != ""}
		if e.Verb != "" {
			p.Err = fmt.Errorf("%s: %w", e.Verb, p.Err)
		}
		if newer != "" {
			p.Err = fmt.Errorf("%w; the line is left out, as the file is for Go %s, which is newer than this program", p.Err, newer)
		}
		problems = append(problems, p)
	}
	return problems
}

// blank returns a file with spaces instead of the lines and blocks that mistakes are in.
func blank(data []byte, syntax *modfile.FileSyntax, mistakes modfile.ErrorList) []byte {
	wrong := make(map[int]bool)
	for _, e := range mistakes {
		wrong[e.Pos.Line] = true
	}
	blanked := append([]byte(nil), data...)
	wipe := func(x modfile.Expr) {
		start, end := x.Span()
		if !wrong[start.Line] {
			return
		}
		for i := start.Byte; i < min(end.Byte, len(blanked)); i++ {
			if c := blanked[i]; c != '\n' && c != '\r' {
				blanked[i] = ' '
			}
		}
	}
	for _, x := range syntax.Stmt {
		wipe(x)
		if block, ok := x.(*modfile.LineBlock); ok {
			for _, line := range block.Line {
				wipe(line)
			}
		}
	}
	return blanked
}
