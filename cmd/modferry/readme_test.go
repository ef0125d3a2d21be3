package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/modferry/modferry/artifact/sign"
)

// section returns a section of the README, without its heading.
func section(t *testing.T, heading string) string {
	t.Helper()
	data, err := os.ReadFile("../../README.md")
	must(t, err)
	_, rest, found := strings.Cut(string(data), "\n## "+heading+"\n")
	if !found {
		t.Fatalf("the README has no section %q", heading)
	}
	text, _, _ := strings.Cut(rest, "\n## ")
	return text
}

// testNames returns the names of the tests of the module.
func testNames(t *testing.T) map[string]bool {
	t.Helper()
	names := make(map[string]bool)
	declared := regexp.MustCompile(`(?m)^func (Test\w+)\(t \*testing\.T\)`)
	must(t, filepath.WalkDir("../..", func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(file, "_test.go") {
			return err
		}
		data, err := os.ReadFile(file)
		for _, m := range declared.FindAllSubmatch(data, -1) {
			names[string(m[1])] = true
		}
		return err
	}))
	return names
}

func TestEveryLineOfTheSecurityModelIsHeldByTests(t *testing.T) {
	exists := testNames(t)
	rows := 0
	for line := range strings.Lines(section(t, "Security model")) {
		cells := strings.Split(strings.Trim(line, "|\n"), " | ")
		if !strings.HasPrefix(line, "| ") || strings.HasPrefix(line, "| against |") {
			continue
		}
		rows++
		if len(cells) != 5 {
			t.Errorf("not five columns, but %d: %.80s", len(cells), line)
			continue
		}
		tests := strings.Fields(strings.Trim(cells[4], " |"))
		if len(tests) == 0 {
			t.Errorf("no test holds this: %.80s", line)
		}
		for _, name := range tests {
			if name = strings.Trim(name, "`"); !exists[name] {
				t.Errorf("there is no %s, which is to hold: %.80s", name, line)
			}
		}
	}
	if rows < 30 {
		t.Errorf("the security model has %d lines", rows)
	}
}

// What people copy has to work.
func TestThePolicyInTheReadmeIsOne(t *testing.T) {
	_, rest, _ := strings.Cut(section(t, "Trust policy"), "```yaml\n")
	text, _, _ := strings.Cut(rest, "```")
	b := newBench(t)
	b.keys("platform-2026")
	b.keys("security")
	p, err := sign.LoadPolicy(b.write("policy.yaml", text), nil)
	must(t, err)
	if s := p.Summary(); len(s.Rules) != 2 || len(s.Warnings) != 0 {
		t.Errorf("%+v", s)
	}
}
