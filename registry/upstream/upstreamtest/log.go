package upstreamtest

import (
	"strings"
	"testing"

	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact/sumdb/sumdbtest"
)

// Log is a checksum database that records what a tree has when it is first asked.
type Log struct{ *sumdbtest.Server }

// LogName is the name of every [Log].
const LogName = sumdbtest.Name

// NewLog starts a log of a tree, with a key of its own.
func NewLog(t testing.TB, tree Tree) *Log {
	t.Helper()
	s, err := sumdbtest.NewServer(tree.goSum(t))
	check(t, err)
	t.Cleanup(s.Close)
	return &Log{s}
}

// NewLogWithKey starts a log with a key that another one has, too.
func NewLogWithKey(t testing.TB, tree Tree, private, public string) *Log {
	t.Helper()
	s := sumdbtest.NewServerWithKey(private, public, tree.goSum(t))
	t.Cleanup(s.Close)
	return &Log{s}
}

func (tr Tree) goSum(t testing.TB) sumdbtest.GoSum {
	return func(path, version string) ([]byte, error) {
		m := module.Version{Path: path, Version: version}
		return sumdbtest.Lines(m, tr.File(t, m.String(), ".zip"), tr.File(t, m.String(), ".mod"))
	}
}

// Grow adds n records of modules that nobody mirrors.
func (l *Log) Grow(t testing.TB, n int) {
	t.Helper()
	if _, err := l.Server.Grow(t.Context(), n); err != nil {
		t.Fatal(err)
	}
}

// Requests returns the number of requests for paths that contain part, and forgets all.
func (l *Log) Requests(part string) int {
	n := 0
	for _, path := range l.Server.Requests() {
		if strings.Contains(path, part) {
			n++
		}
	}
	return n
}
