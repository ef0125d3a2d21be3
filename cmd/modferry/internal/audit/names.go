package audit

import (
	"bytes"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/artifact/goproxy"
	"github.com/modferry/modferry/artifact/userfile"
	"github.com/modferry/modferry/registry/collect/mirrorfile"
	"github.com/modferry/modferry/registry/project"
	"github.com/modferry/modferry/registry/requirement"
)

// MaxNames bounds what names versions, in bytes.
const MaxNames = 128 << 20

// ReadNames returns what a file names, as [ParseNames] does; "-" is standard input.
func ReadNames(file string, stdin io.Reader) ([]requirement.Requirement, error) {
	var (
		data []byte
		err  error
	)
	if file == "-" {
		data, err = artifact.ReadAll(stdin, "standard input", MaxNames)
	} else {
		data, err = userfile.ReadAny(file, MaxNames)
	}
	if err != nil {
		return nil, err
	}
	return ParseNames(file, data)
}

// ParseNames returns what a file names, by path and version: a go.sum; the lock of a mirror file, whose name ends in
// .lock; or a list as the list command prints it:
//
//	line = module "@" version | module " " version [ " mod-only" ]
//
// With "@" it does not tell whether all of the version has to be there, or its go.mod alone: it has no From then.
// A line that is malformed, or that contradicts another one, is an error.
func ParseNames(name string, data []byte) ([]requirement.Requirement, error) {
	parse := parseList
	switch {
	case filepath.Ext(name) == ".lock":
		parse = parseLock
	case filepath.Ext(name) == ".sum" || bytes.Contains(data, []byte(" h1:")):
		parse = parseGoSum
	}
	lines, err := parse(name, data)
	if err != nil {
		return nil, err
	}
	set := make(requirement.Set)
	for _, l := range lines {
		if other := set.Add(l); other != nil {
			return nil, fmt.Errorf("%s: %v has another sum at %s", l.From, l.Module, other.From)
		}
	}
	return set.Sorted(), nil
}

func parseGoSum(name string, data []byte) ([]requirement.Requirement, error) {
	lines, problems := project.ParseSums(name, data)
	if len(problems) > 0 {
		return nil, problems[0]
	}
	return lines, nil
}

func parseLock(name string, data []byte) (list []requirement.Requirement, err error) {
	lock, err := mirrorfile.ParseLock(name, data)
	if err != nil {
		return nil, err
	}
	for m, sums := range lock.Sums {
		list = append(list, requirement.Requirement{Module: m, ModOnly: sums.Zip == "", Sum: sums.Zip, GoModSum: sums.GoMod, From: name})
	}
	return list, nil
}

func parseList(name string, data []byte) (list []requirement.Requirement, err error) {
	n := 0
	for line := range strings.Lines(string(data)) {
		n++
		var r requirement.Requirement
		from := fmt.Sprintf("%s:%d", name, n)
		words := strings.Fields(line)
		switch {
		case len(words) == 0:
			continue
		case len(words) == 1:
			path, version, _ := strings.Cut(words[0], "@")
			r.Module = module.Version{Path: path, Version: version}
		default:
			r.Module, r.From = module.Version{Path: words[0], Version: words[1]}, from
			r.ModOnly = len(words) == 3 && words[2] == strings.TrimSpace(Kind(true))
		}
		if len(words) > 3 || len(words) == 3 && !r.ModOnly {
			return nil, fmt.Errorf("%s: not a line of a list: %.100q", from, strings.TrimSpace(line))
		}
		if err := goproxy.Check(r.Module); err != nil {
			return nil, fmt.Errorf("%s: %w", from, err)
		}
		list = append(list, r)
	}
	return list, nil
}
