package main

import (
	"os"

	"golang.org/x/mod/module"

	"github.com/modferry/modferry/registry/project"
)

// wanted is what a command line or a go.sum says about one version: which of its files are needed and which
// sums they must have. Empty sums are not known.
type wanted struct {
	module   module.Version
	modOnly  bool // the go.mod is enough
	exact    bool // and nothing but the kind modOnly says will do
	sum      string
	goModSum string
}

// readGoSum reads a go.sum file: lines of "path version h1:…", where a version ending in /go.mod is the sum
// of the go.mod file. Lines with other hash algorithms are left out, as the go command does.
func readGoSum(name string) ([]wanted, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	return parseGoSum(name, data)
}

func parseGoSum(name string, data []byte) ([]wanted, error) {
	lines, problems := project.ParseSums(name, data)
	if len(problems) > 0 {
		return nil, problems[0]
	}
	var list []wanted
	index := make(map[module.Version]int)
	for _, l := range lines {
		at, known := index[l.Module]
		if !known {
			at = len(list)
			index[l.Module] = at
			list = append(list, wanted{module: l.Module, modOnly: true})
		}
		if l.GoMod {
			list[at].goModSum = l.Sum
		} else {
			list[at].sum, list[at].modOnly = l.Sum, false
		}
	}
	return list, nil
}
