package goproxy

import (
	"cmp"
	"fmt"
	"path"
	"regexp"
	"strings"

	"golang.org/x/mod/module"
)

// globs are what stands for characters in a GOPRIVATE pattern: see path.Match.
var globs = regexp.MustCompile(`\[[^\]]*\]|[*?]`)

// CheckPrivate checks a GOPRIVATE pattern. A pattern that matches less than its author believes would tell private names
// to strangers.
func CheckPrivate(s string) error {
	if strings.Contains(s, "**") || strings.Contains(s, "...") {
		return fmt.Errorf("%.100q: GOPRIVATE patterns have no ** and no ...: corp.example is all that is below it", s)
	}
	sample := strings.TrimSuffix(globs.ReplaceAllString(s, "x"), "/")
	host, _, _ := strings.Cut(sample, "/")
	if first, _, _ := strings.Cut(s, "/"); strings.ContainsAny(first, "*?[") && !strings.Contains(host, ".") {
		host += ".x" // what stands for characters may stand for it
	}
	_, err := path.Match(s, "")
	if err = cmp.Or(err, module.CheckPath(host), module.CheckImportPath(sample)); err != nil {
		return fmt.Errorf("%.100q is not a GOPRIVATE pattern, like corp.example/*, as no module can match it: %w", s, err)
	}
	return nil
}

// CheckPrivateList checks a list of patterns with commas between them, which may be empty, as CheckPrivate does each.
func CheckPrivateList(list string) error {
	if err := cmp.Or(CheckNoURL(list), CheckSpaces(list)); err != nil {
		return err
	}
	for s := range strings.SplitSeq(list, ",") {
		if s == "" {
			continue
		}
		if err := CheckPrivate(s); err != nil {
			return err
		}
	}
	return nil
}

// CheckSpaces checks that a list like GOPRIVATE has no spaces beside its commas: the go command does not take them away, so
// such a pattern matches no module.
func CheckSpaces(list string) error {
	for s := range strings.SplitSeq(list, ",") {
		if strings.TrimSpace(s) != s {
			return fmt.Errorf("%.200q has spaces: the pattern %.100q matches no module; write commas alone between patterns", list, s)
		}
	}
	return nil
}
