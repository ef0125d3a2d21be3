package main

import (
	"os"

	"golang.org/x/mod/module"

	"github.com/modferry/modferry/registry/project"
	"github.com/modferry/modferry/registry/requirement"
)

// wanted is what a command line or a go.sum says about one version.
type wanted struct {
	requirement.Requirement
	exact bool // nothing but the kind that ModOnly says will do
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
		if at, known := index[l.Module]; known {
			list[at].Join(&l)
			continue
		}
		index[l.Module] = len(list)
		list = append(list, wanted{Requirement: l})
	}
	return list, nil
}
