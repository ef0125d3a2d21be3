package gitsource

import (
	"bytes"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"

	"github.com/modferry/modferry/artifact"
)

// parseObject reads the answer of "git cat-file --batch" to a question for one
// object. It is fs.ErrNotExist if there is no blob of that name.
func parseObject(object string, out []byte) ([]byte, error) {
	missing := &fs.PathError{Op: "open", Path: object, Err: fs.ErrNotExist}
	if bytes.Equal(out, []byte(object+" missing\n")) {
		return nil, missing
	}
	header, rest, _ := bytes.Cut(out, []byte("\n"))
	f := strings.Fields(string(header))
	if len(f) != 3 {
		return nil, fmt.Errorf("git cat-file: unexpected answer for %s", object)
	}
	size, err := strconv.Atoi(f[2])
	if err != nil || size < 0 || len(rest) != size+1 || rest[size] != '\n' {
		return nil, fmt.Errorf("git cat-file: unexpected answer for %s", object)
	}
	if f[1] != "blob" {
		return nil, missing
	}
	return rest[:size:size], nil
}

// A tag of the repository.
type tag struct {
	name string // without refs/tags/
	hash string // of the commit, usually
}

// parseTags reads "git show-ref --dereference --tags", where a line for a tag that has an
// object of its own is followed by one, with "^{}" at the end, for what that is about.
func parseTags(out []byte) ([]tag, error) {
	var tags []tag
	for line := range strings.Lines(string(out)) {
		hash, ref, ok := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		name, isTag := strings.CutPrefix(ref, "refs/tags/")
		if !ok || !isTag || !artifact.IsHash(hash) {
			return nil, fmt.Errorf("git show-ref: unexpected line %q", line)
		}
		name, peeled := strings.CutSuffix(name, "^{}")
		if last := len(tags) - 1; peeled && last >= 0 && tags[last].name == name {
			tags[last].hash = hash
			continue
		}
		tags = append(tags, tag{name, hash})
	}
	slices.SortFunc(tags, func(a, b tag) int { return strings.Compare(a.name, b.name) })
	return tags, nil
}

// A commit of the repository.
type commit struct {
	hash string
	time time.Time // of the committer
}

// short is what a pseudo-version has of the hash.
func (c *commit) short() string { return c.hash[:12] }

// parseCommit reads a line "hash seconds".
func parseCommit(out []byte) (*commit, error) {
	hash, seconds, _ := strings.Cut(strings.TrimSpace(string(out)), " ")
	t, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil || !artifact.IsHash(hash) {
		return nil, fmt.Errorf("git log: unexpected answer %.100q", out)
	}
	c := &commit{hash: hash, time: time.Unix(t, 0).UTC()}
	if c.time.Year() > 9999 {
		return nil, fmt.Errorf("%w: commit %s is of the year %d, and no version can say so", ErrVersion, c.short(), c.time.Year())
	}
	return c, nil
}

// parseStatus returns the names in the output of "git status --porcelain -z --no-renames".
func parseStatus(out []byte) []string {
	var names []string
	for entry := range strings.SplitSeq(string(out), "\x00") {
		if len(entry) > 3 { // two letters and a space
			names = append(names, entry[3:])
		}
	}
	return names
}

// versionOf returns the version that a tag stands for, without its prefix; empty if
// it stands for none. A tag such as v1.2.3+meta stands for v1.2.3 but is not canonical.
func versionOf(name, prefix string) (version string, canonical bool) {
	trimmed, ok := strings.CutPrefix(name, prefix)
	if !ok || module.IsPseudoVersion(name) { // with a prefix it does not look like one; so the go command has it
		return "", false
	}
	version = semver.Canonical(trimmed) // not module.CanonicalVersion: a tag has no +incompatible
	if version == "" || !strings.HasPrefix(trimmed, version) {
		return "", false // v1 or v1.2
	}
	return version, version == trimmed
}
