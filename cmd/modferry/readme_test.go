package main

import (
	"os"
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

func TestEveryLineOfTheSecurityModelIsHeldByTests(t *testing.T) {
	tests := parseTests(t)
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
		names := strings.Fields(strings.Trim(cells[4], " |"))
		if len(names) == 0 {
			t.Errorf("no test holds this: %.80s", line)
		}
		for _, name := range names {
			if why := tests.idle(strings.Trim(name, "`")); why != "" {
				t.Errorf("%s %s, and it is to hold: %.80s", name, why, line)
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
