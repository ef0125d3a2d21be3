package project

import (
	"bytes"
	"fmt"
	"strings"

	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact/goproxy"
	"github.com/modferry/modferry/registry/requirement"
)

// MaxSumFile is the largest go.sum that is read.
const MaxSumFile = 64 << 20

// SumLine is a line of a go.sum: the sum of a version's zip, or of its go.mod.
type SumLine struct {
	Module module.Version // canonical
	GoMod  bool           // the sum is that of the go.mod
	Sum    string         // "h1:…", which is not checked
	From   string         // name and line
}

// Requirement is what the line asks for.
func (l SumLine) Requirement() requirement.Requirement {
	if l.GoMod {
		return requirement.Requirement{Module: l.Module, ModOnly: true, GoModSum: l.Sum, From: l.From}
	}
	return requirement.Requirement{Module: l.Module, Sum: l.Sum, From: l.From}
}

// ParseSums parses a go.sum or go.work.sum file.
//
//	file = { path SP version [ "/go.mod" ] SP sum NL }
//
// As for the go command, sums of other kinds than h1 do not count: they are left out. Every
// line that is none has an error that begins with its name and line, and does not hinder the others.
func ParseSums(name string, data []byte) (lines []SumLine, problems []error) {
	n := 0
	for line := range strings.Lines(string(data)) {
		n++
		f := strings.Fields(line)
		if len(f) == 0 {
			continue
		}
		s := SumLine{From: fmt.Sprintf("%s:%d", name, n)}
		if len(f) != 3 {
			problems = append(problems, fmt.Errorf("%s: not a line of a go.sum: %.100q", s.From, strings.TrimSpace(line)))
			continue
		}
		s.Module.Path, s.Sum = f[0], f[2]
		s.Module.Version, s.GoMod = strings.CutSuffix(f[1], "/go.mod")
		if err := goproxy.Check(s.Module); err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", s.From, err))
			continue
		}
		if strings.HasPrefix(s.Sum, "h1:") {
			lines = append(lines, s)
		}
	}
	return lines, problems
}

// formatSums is the reverse of ParseSums.
func formatSums(lines []SumLine) []byte {
	var b bytes.Buffer
	for _, l := range lines {
		version := l.Module.Version
		if l.GoMod {
			version += "/go.mod"
		}
		fmt.Fprintf(&b, "%s %s %s\n", l.Module.Path, version, l.Sum)
	}
	return b.Bytes()
}
