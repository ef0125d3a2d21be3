package mirrorfile

import (
	"fmt"
	"strings"
	"testing"
)

// wrong has for each line that can stand in a mirror file, after version: 1, what must be said about it.
var wrong = []struct{ line, want string }{
	{"registry: harbor.example/x", `there is no field "registry": there are version, store, `},
	{"toolchian: [go1.26]", "did you mean tools or toolchains?"},
	{"downloadall: true", "did you mean downloadAll?"},
	{"version: 1", `the field "version" is there already`},
	{"? {a: b}\n: c", `there is no field ""`},
	{"store: 12", `store: this must be text, not !!int: put a number or a date in quotes`},
	{"store: [a]", "store: this must be text, not !!seq"},
	{"store:", "store: a value is missing"},
	{`store: ""`, "store: the text is empty"},
	{`store: " a"`, "store: the text is empty, begins or ends with a space, or has several lines"},
	{`store: "a\nb"`, "or has several lines"},
	{"store: 'oci:'", "store: a directory is written oci:DIR"},
	{"store: oci://a", "store: a directory is written oci:DIR"},
	{"key: !secret x", "anchors (&x), aliases (*x) and tags (!x) are not read here"},
	{"key: 2026-01-01", "key: this must be text, not !!timestamp"},
	{"private: corp.example", "private: this must be a list with one item at least, as in [x]"},
	{`private: ["corp.example/**"]`, "GOPRIVATE patterns have no ** and no ..."},
	{`private: ["corp.example/["]`, "is not a GOPRIVATE pattern"},
	{`private: ["a.example,b.example"]`, "invalid char ','"},
	{"private: [https://a.example]", "invalid char ':'"},
	{`private: ["corp.example/..."]`, "GOPRIVATE patterns have no ** and no ..."},
	{`private: ["/corp.example"]`, "no module can match it"},
	{`private: ["./corp.example"]`, "no module can match it"},
	{`private: ["git@corp.example/x"]`, "no module can match it"},
	{`private: ["https:corp.example"]`, "no module can match it"},
	{`private: ["corp.example:8443/x"]`, "no module can match it"},
	{`private: ["corp.example/lib@v1"]`, "no module can match it"},
	{`private: ["Corp.Example"]`, "no module can match it"},
	{`private: ["corp"]`, "missing dot in first path element"},
	{`private: ["corp.example//x"]`, "no module can match it"},
	{`private: ["corp/*"]`, "missing dot in first path element"},
	{`private: ["corp/[a-z]*"]`, "missing dot in first path element"},
	{"platforms: [linux]", "write it os/arch with Go's names, like linux/amd64"},
	{"platforms: [linux/x86_64]", "like linux/amd64"},
	{"platforms: [macos/aarch64]", "darwin/arm64"},
	{"platforms: [linux/amd64/v3]", "write it os/arch"},
	{"platforms: []", "platforms: this must be a list with one item at least"},
	{"downloadAll: yes", "downloadAll: this must be true or false"},
	{"downloadAll: !!bool maybe", "anchors (&x), aliases (*x) and tags (!x) are not read here"},
	{"downloadAll: !!bool {a: b}", "anchors (&x), aliases (*x) and tags (!x) are not read here"},
	{"projects: {dir: a}", "projects: this must be a list with one item at least"},
	{"projects: [{downloadAll: true}]", "projects: the field dir is missing"},
	{"projects: [./a, a]", `projects: "project a" is there already, on line 2`},
	{"projects: [./a, {dir: a/../a, downloadAll: true}]", `projects: "project a" is there already`},
	{"projects: [[a]]", "projects: this must be fields with values, as in dir: …, not !!seq"},
	{"projects: [~]", "projects: a value is missing"},
	{"modules: [golang.org/x/text]", "write golang.org/x/text@latest"},
	{"modules: [golang.org/x/text@]", "the version is missing: write golang.org/x/text@latest, say"},
	{"modules: [text@latest]", "missing dot in first path element"},
	{`modules: ["github.com/spf13/*@latest"]`, "invalid char '*'"},
	{"modules: [a.example/b: latest]", `modules: there is no field "a.example/b"`},
	{"modules: [{module: a.example/b}]", "modules: a.example/b: the version is missing"},
	{"modules: [{latest: 3}]", "modules: the field module is missing"},
	{"modules: [{module: a.example/b, latest: 3, query: latest}]", "exclude each other"},
	{"modules: [{module: a.example/b, latest: 0}]", "modules: latest: this must be a whole number from 1"},
	{"modules: [{module: a.example/b, latest: 1000000000000000000000}]", "modules: latest: this must be a whole number"},
	{"modules: [{module: a.example/b, latest: [3]}]", "modules: latest: this must be a whole number"},
	{"modules: [{module: a.example/b, latest: '3'}]", "modules: latest: this must be a whole number"},
	{"modules: [{module: a.example/b, versions: latest}]", `modules: versions: "latest" is not a semantic version`},
	{"modules: [{module: a.example/b, versions: '>=1.4'}]", "modules: versions: \"1.4\" is not a semantic version: did you mean v1.4?"},
	{"modules: [{module: a.example/b, versions: '>=v2 <v1'}]", "no version can be in the range"},
	{"modules: [{module: a.example/b, query: 1234567}]", "modules: query: this must be text, not !!int"},
	{"modules: [{module: a.example/b, query: v1.0.0, deps: none}]", "modules: deps: this must be true or false"},
	{"modules: [a.example/b@latest, {module: a.example/b, query: latest}]", `"module a.example/b@latest" is there already, on line 2`},
	{"tools: [a.example/cmd/x]", "tools: a.example/cmd/x: the version is missing: write a.example/cmd/x@latest"},
	{"tools: [{package: a.example/cmd/x}]", "tools: a.example/cmd/x: the version is missing"},
	{"tools: [a.example/cmd/...@latest]", `malformed import path "a.example/cmd/...": invalid path element "..."`},
	{"tools: [./cmd/x@latest]", "tools: malformed import path"},
	{"tools: [{package: a.example/x, query: latest, platforms: []}]", "tools: platforms: this must be a list with one item at least"},
	{"toolchains: [1.26]", "toolchains: this must be text, not !!float"},
	{"toolchains: [{relase: go1.26}]", `toolchains: there is no field "relase": did you mean release?`},
	{"toolchains: [go1.26, {release: go1.26}]", "is there already"},
	{"allow: []", "allow: this must be a list with one item at least"},
	{"allow: github.com/**", "allow: this must be a list with one item at least"},
	{"allow: [github.com/x/]", "did you mean github.com/x/**?"},
	{"allow: [corp/**]", "missing dot in first path element"},
	{"allow: [{modules: [a.example]}]", "allow: this must be text, not !!map"},
	{"deny: ['github.com/evil/**']", "deny: this must be fields with values, as in modules: …, not !!str"},
	{"deny: [{reason: bad}]", "deny: the field modules is missing"},
	{"deny: [{modules: github.com/evil/**}]", "deny: modules: this must be a list"},
	{"deny: [{modules: [a.example@<1]}]", "did you mean v1?"},
	{"deny: [{modules: [a.example], reason: }]", "deny: reason: a value is missing"},
	{"key: x # \u2028deny: [{modules: [a.example]}]", "the line has a control character in it"},
	{"key: x # \u2029deny: [{modules: [a.example]}]", "the line has a control character in it"},
	{"key: x # \u0085deny: [{modules: [a.example]}]", "the line has a control character in it"},
	{"key: x # \rdeny: [{modules: [a.example]}]", "the line has a control character in it"},
	{"key: \xff", "the line is not UTF-8 text"},
	{"---", "a second document begins here"},
	{"modules: !foo [a.example/b@latest]", "anchors (&x), aliases (*x) and tags (!x) are not read here"},
	{"&a modules: [a.example/b@latest]", "anchors (&x), aliases (*x) and tags (!x) are not read here"},
	{"modules: [{module: a.example/b, latest: 010}]", "modules: latest: this must be a whole number"},
	{"store: 'oci: ./a'", "store: a directory is written oci:DIR"},
}

func TestParseSaysWhatIsWrongOnWhichLine(t *testing.T) {
	for _, tt := range wrong {
		t.Run(tt.line, func(t *testing.T) {
			_, err := Parse("modferry.yaml", []byte("version: 1\n"+tt.line+"\n"))
			if err == nil || !strings.HasPrefix(err.Error(), "modferry.yaml:2: ") || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %s", err, tt.want)
			}
			if err != nil && strings.Contains(err.Error(), "\n") {
				t.Errorf("more than one problem:\n%v", err)
			}
		})
	}
}

func TestParseSaysWhatIsNotYAML(t *testing.T) {
	const prefix = "modferry.yaml: this is not YAML (a text that begins with *, &, @, % or ` has to be put in quotes): yaml: "
	for line, want := range map[string]string{
		"allow: [**]": "line 2: did not find expected alphabetic or numeric character",
		"allow: [*x]": "unknown anchor 'x' referenced",
		"key: @x":     "line 2: found character that cannot start any token",
		"\tkey: x":    "line 2: found a tab character",
		" key: x":     "line 2: mapping values are not allowed in this context",
		"modules: [a": "line 1: did not find expected ',' or ']'", // where the line begins, counted from 0
		"key: \x01":   "control characters are not allowed",
		"<<: {a: b":   "did not find expected ',' or '}'",
	} {
		t.Run(line, func(t *testing.T) {
			_, err := Parse("modferry.yaml", []byte("version: 1\n"+line+"\n"))
			if err == nil || !strings.HasPrefix(err.Error(), prefix) || !strings.Contains(err.Error(), want) {
				t.Errorf("got %v, want %s", err, want)
			}
		})
	}
}

func TestParseDoesNotJudgeWhatItCannotKnow(t *testing.T) {
	for _, line := range []string{
		"modules: [a.example/b@main, a.example/b@1.2.3, a.example/b@0123456789ab, a.example/b@v1, a.example/b@v2.0.0, a.example/b@feature/x]",
		"modules: [a.example/b/v2@v2, gopkg.in/yaml.v3@v3.0.1, a.example/b@>=v1]",
		"platforms: [newos/newarch, linux/amd64, linux/amd64]", "upstream: https://proxy.example, direct", "toolchains: [go1.27rc1, go1.20]",
		`private: ["*.corp.example", "corp.example/a?c/", "*", "corp*", "corp.example/[ab]*", "gopkg.in/x", "corp.example/lib/v1"]`,
	} {
		text := "version: 1\n" + line + "\n"
		if !strings.Contains(line, "modules:") && !strings.Contains(line, "toolchains:") {
			text += "projects: [.]\n" // it has to ask for something
		}
		if _, err := Parse("modferry.yaml", []byte(text)); err != nil {
			t.Errorf("%s: %v", line, err)
		}
	}
}

func TestParseReadsVersion1Only(t *testing.T) {
	for text, want := range map[string]string{
		"":                       "modferry.yaml:1: the file is empty: it begins with version: 1",
		"# nothing\n":            "modferry.yaml:1: the file is empty: it begins with version: 1",
		"- a\n":                  "modferry.yaml:1: this must be fields with values, as in version: …, not !!seq",
		"\nmodules.txt\n":        "modferry.yaml:2: this must be fields with values, as in version: …, not !!str",
		"key: a\n":               "modferry.yaml:1: the field version is missing",
		"key: a\nversion: '1'\n": "modferry.yaml:2: version: this must be the number 1; a newer modferry may read others",
		"version: 1.0\n":         "modferry.yaml:1: version: this must be the number 1; a newer modferry may read others",
		"version: [1]\n":         "modferry.yaml:1: version: this must be the number 1; a newer modferry may read others",
		"version:\n":             "modferry.yaml:1: version: this must be the number 1; a newer modferry may read others",
		"version: 2\n":           "modferry.yaml:1: version: this must be the number 1; a newer modferry may read others",
	} {
		if _, err := Parse("modferry.yaml", []byte(text)); fmt.Sprint(err) != want {
			t.Errorf("%q:\n got %v\nwant %s", text, err, want)
		}
	}
}
