package sumdb

import (
	"bytes"
	"cmp"
	"fmt"
	"strings"

	"golang.org/x/mod/module"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/artifact/goproxy"
)

// A Record is one entry of the log: the go.sum lines of a module version.
type Record struct {
	ID   int64  // position in the log, from 0
	Text []byte // go.sum lines, each with its newline; not to be modified
}

// ParseRecord parses a record as tlog.FormatRecord formats it, which is the file kept with a module version. Nothing
// may follow it. Errors match [artifact.ErrCorrupt] or [artifact.ErrLimit].
//
//	file = id newline { line newline } newline     id = decimal, no sign, no leading zero
func ParseRecord(data []byte) (Record, error) {
	r, rest, err := cutRecord(data)
	if err == nil && len(rest) > 0 {
		err = corrupt("checksum database record: %d bytes follow it", len(rest))
	}
	return r, err
}

// cutRecord parses the record that data begins with and returns what follows: in what a log answers to a lookup,
// the note of a tree head.
func cutRecord(data []byte) (r Record, rest []byte, err error) {
	if len(data) > MaxRecord+MaxNote {
		return Record{}, nil, artifact.CheckSize("checksum database record", int64(len(data)), MaxRecord)
	}
	id, text, rest, err := tlog.ParseRecord(data)
	if err != nil {
		return Record{}, nil, corrupt("checksum database record: %v", err)
	}
	size := len(data) - len(rest)
	if err := artifact.CheckSize("checksum database record", int64(size), MaxRecord); err != nil {
		return Record{}, nil, err
	}
	r = Record{ID: id, Text: bytes.Clone(text)}
	canonical, err := r.Format()
	if err != nil || !bytes.Equal(canonical, data[:size]) {
		return Record{}, nil, corrupt("checksum database record: malformed ID")
	}
	return r, rest, nil
}

// Format returns the record as tlog.FormatRecord does. A record that was parsed
// here gives the bytes that it was parsed from; another one can be in error.
func (r Record) Format() ([]byte, error) {
	if r.ID < 0 || r.ID >= MaxRecords {
		return nil, corrupt("checksum database record: ID %d is out of range", r.ID)
	}
	return tlog.FormatRecord(r.ID, r.Text)
}

// Sums returns the sums of m's zip and of its go.mod, as the go command reads them: the first h1: line of each
// counts, and lines about anything else are ignored. A record without both is one of another module version; the
// error then matches [artifact.ErrIdentity].
func (r Record) Sums(m module.Version) (zip, mod string, err error) {
	for line := range strings.Lines(string(r.Text)) {
		line = strings.TrimSuffix(line, "\n")
		if h, ok := strings.CutPrefix(line, m.Path+" "+m.Version+" h1:"); ok && zip == "" {
			zip = "h1:" + h
		}
		if h, ok := strings.CutPrefix(line, m.Path+" "+m.Version+"/go.mod h1:"); ok && mod == "" {
			mod = "h1:" + h
		}
	}
	switch {
	case zip == "" || mod == "":
		return "", "", fmt.Errorf("checksum database record %d is not the one of %s: %w", r.ID, m, artifact.ErrIdentity)
	case !artifact.IsSum(zip) || !artifact.IsSum(mod):
		return "", "", corrupt("checksum database record %d: malformed sum for %s", r.ID, m)
	}
	return zip, mod, nil
}

// Check checks that the record is m's and has these sums. zipSum may be "" for a module version of which only the
// go.mod is there. Errors match [artifact.ErrIdentity], [artifact.ErrCorrupt] or [ErrMismatch].
func (r Record) Check(m module.Version, zipSum, modSum string) error {
	zip, mod, err := r.Sums(m)
	switch {
	case err != nil:
		return err
	case modSum != mod:
		return corrupt("%s: go.mod %w: have %s, the log says %s", m, ErrMismatch, modSum, mod)
	case zipSum != "" && zipSum != zip:
		return corrupt("%s: zip %w: have %s, the log says %s", m, ErrMismatch, zipSum, zip)
	}
	return nil
}

// LookupPath returns the path of a lookup below the log's URL, "lookup/<escaped path>@<escaped version>".
func LookupPath(m module.Version) (string, error) {
	if err := goproxy.Check(m); err != nil {
		return "", err
	}
	path, err := module.EscapePath(m.Path)
	if err != nil {
		return "", err
	}
	version, err := module.EscapeVersion(m.Version)
	if err != nil {
		return "", err
	}
	return "lookup/" + path + "@" + version, nil
}

// ParseLookupPath is the reverse of [LookupPath].
func ParseLookupPath(path string) (module.Version, error) {
	escaped, ok := strings.CutPrefix(path, "lookup/")
	p, v, at := strings.Cut(escaped, "@")
	if !ok || !at {
		return module.Version{}, fmt.Errorf("malformed lookup %q: it must be lookup/<module>@<version>", path)
	}
	var m module.Version
	var errPath, errVersion error
	m.Path, errPath = module.UnescapePath(p)
	m.Version, errVersion = module.UnescapeVersion(v)
	if err := cmp.Or(errPath, errVersion, goproxy.Check(m)); err != nil {
		return module.Version{}, fmt.Errorf("malformed lookup %q: %w", path, err)
	}
	return m, nil
}
