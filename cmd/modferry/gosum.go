package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"

	"golang.org/x/mod/module"
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
	var list []wanted
	index := make(map[module.Version]int)
	for i, line := range bytes.Split(data, []byte("\n")) {
		f := strings.Fields(string(line))
		if len(f) == 0 {
			continue
		}
		if len(f) != 3 {
			return nil, fmt.Errorf("%s:%d: not a line of a go.sum", name, i+1)
		}
		version, isMod := strings.CutSuffix(f[1], "/go.mod")
		m := module.Version{Path: f[0], Version: version}
		if err := checkVersion(m); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", name, i+1, err)
		}
		if !strings.HasPrefix(f[2], "h1:") {
			continue
		}
		at, known := index[m]
		if !known {
			at = len(list)
			index[m] = at
			list = append(list, wanted{module: m, modOnly: true})
		}
		if isMod {
			list[at].goModSum = f[2]
		} else {
			list[at].sum, list[at].modOnly = f[2], false
		}
	}
	return list, nil
}
