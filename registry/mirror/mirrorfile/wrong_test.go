package mirrorfile

import (
	"fmt"
	"strings"
	"testing"
)

// wrong has for each line that can stand in a mirror file, after version: 1, what
// must be said about it.
var wrong = []struct{ line, want string }{
	{"registry: harbor.example/x", `there is no field "registry": there are version, store, `},
	{"toolchian: [go1.26]", "did you mean toolchains?"},
	{"downloadall: true", "did you mean downloadAll?"},
	{"version: 1", `the field "version" is there already, on line 1`},
	{"? {a: b}\n: c", "the name of a field must be text"},
	{"store: 12", `store: this must be text, not a number: put it in quotes, as "12"`},
	{"store: [a]", "store: this must be text, not a list"},
	{"store:", "store: a value is missing"},
	{`store: ""`, "store: the text is empty"},
	{`store: " a"`, "store: the text begins or ends with a space"},
	{`store: "a\nb"`, "or is of several lines"},
	{"store: 'oci:'", "store: a directory is written oci:DIR"},
	{"store: oci://a", "store: a directory is written oci:DIR"},
	{"key: !secret x", `key: this must be text, not something of type "!secret"`},
	{"key: 2026-01-01", "key: this must be text, not a date"},
	{"upstream: ./cache", "upstream: a directory must be given with its absolute path"},
	{"upstream: https://a.example https://b.example", "upstream: an entry has a space in it"},
	{"private: corp.example", `private: this must be a list, as in ["corp.example"]`},
	{`private: ["corp.example/**"]`, "GOPRIVATE patterns have no **"},
	{`private: ["corp.example/["]`, "is not a GOPRIVATE pattern"},
	{`private: ["a.example,b.example"]`, "make each an item of its own"},
	{"private: [https://a.example]", "leave out what is before the host"},
	{`private: ["corp.example/..."]`, "they match everything below"},
	{`private: ["/corp.example"]`, "no module can match it"},
	{`private: ["./corp.example"]`, "no module can match it"},
	{`private: ["git@corp.example/x"]`, "no module can match it"},
	{`private: ["https:corp.example"]`, "no module can match it"},
	{`private: ["corp.example:8443/x"]`, "no module can match it"},
	{`private: ["corp.example/lib@v1"]`, "no module can match it"},
	{`private: ["Corp.Example"]`, "no module can match it"},
	{`private: ["corp"]`, "missing dot in first path element"},
	{`private: ["corp.example//x"]`, "no module can match it"},
	{"private: [a.example, a.example]", `private: "a.example" is there already, on line 2`},
	{"platforms: [linux]", "write it os/arch, like linux/amd64"},
	{"platforms: [linux/x86_64]", "did you mean linux/amd64?"},
	{"platforms: [macos/aarch64]", "did you mean darwin/arm64?"},
	{"platforms: [linux/amd46]", "did you mean linux/amd64?"},
	{"platforms: [windwos/386]", "did you mean windows/386?"},
	{"platforms: [linux/amd64/v3]", "write it os/arch"},
	{"platforms: []", "platforms: the list is empty"},
	{"downloadAll: yes", `downloadAll: this must be true or false, not "yes"`},
	{"downloadAll: !!bool maybe", "downloadAll: this must be true or false"},
	{"downloadAll: !!bool {a: b}", "downloadAll: tags (!!bool) are not read here"},
	{"projects: {dir: a}", "projects: this must be a list, each item after a dash"},
	{"projects: [{downloadAll: true}]", "projects: the field dir is missing, as in dir: ./service"},
	{"projects: [./a, a]", `projects: "a" is there already, on line 2`},
	{"projects: [./a, {dir: a/../a, downloadAll: true}]", `projects: "a" is there already`},
	{"projects: [[a]]", "projects: this must be fields with values (dir, downloadAll), not a list"},
	{"projects: [~]", "projects: a value is missing"},
	{"modules: [golang.org/x/text]", "write golang.org/x/text@latest"},
	{"modules: [golang.org/x/text@]", "the version is missing; latest is the newest one"},
	{"modules: [text@latest]", "missing dot in first path element"},
	{`modules: ["github.com/spf13/*@latest"]`, "invalid char '*'"},
	{"modules: [golang.org/x/text@upgrade]", "only makes sense in a project"},
	{"modules: [a.example/b@>=v1.4.0 <v2]", `write {module: a.example/b, versions: ">=v1.4.0 <v2"}`},
	{`modules: ["a.example/b@!=v1.4.0"]`, `versions: "!=v1.4.0"}`},
	{"modules: [a.example/b@<=v1]", "is ambiguous"},
	{"modules: [a.example/b@>1.0]", "did you mean v1.0?"},
	{"modules: [a.example/b/v3@v2.1.0]", "should be v3, not v2"},
	{"modules: [a.example/b: latest]", `modules: there is no field "a.example/b"`},
	{"modules: [{module: a.example/b}]", "modules: which versions?"},
	{"modules: [{latest: 3}]", "modules: the field module is missing"},
	{"modules: [{module: a.example/b, latest: 3, query: latest}]", "exclude each other"},
	{"modules: [{module: a.example/b, latest: 0}]", "modules: latest: this must be a whole number from 1 to 10000"},
	{"modules: [{module: a.example/b, latest: 1000000000000000000000}]", "modules: latest: this must be a whole number"},
	{"modules: [{module: a.example/b, latest: [3]}]", "modules: latest: this must be a whole number"},
	{"modules: [{module: a.example/b, latest: '3'}]", "modules: latest: this must be a whole number"},
	{"modules: [{module: a.example/b, versions: latest}]", "for the newest version write query: latest"},
	{"modules: [{module: a.example/b, versions: '>=1.4'}]", "modules: versions: \"1.4\" is not a semantic version: did you mean v1.4?"},
	{"modules: [{module: a.example/b, versions: '>=v2 <v1'}]", "no version can be in the range"},
	{"modules: [{module: a.example/b, query: 1234567}]", `modules: query: this must be text, not a number: put it in quotes, as "1234567"`},
	{"modules: [{module: a.example/b, query: v1.0.0, deps: none}]", `modules: deps: this must be true or false, not "none"`},
	{"modules: [a.example/b@latest, {module: a.example/b, query: latest}]", `"module a.example/b@latest" is there already, on line 2`},
	{"tools: [a.example/cmd/x]", "tools: \"a.example/cmd/x\": the version is missing: write a.example/cmd/x@latest"},
	{"tools: [{package: a.example/cmd/x}]", "tools: the field query is missing, as in query: latest"},
	{"tools: [a.example/cmd/...@latest]", "stands for many packages"},
	{"tools: [./cmd/x@latest]", "tools: malformed import path"},
	{"tools: [cmd/go@latest]", "its first element must be a host name"},
	{"tools: [{package: a.example/x, query: latest, platforms: []}]", "tools: platforms: the list is empty"},
	{"toolchains: [1.26]", "toolchains: 1.26 is not a Go release: did you mean go1.26?"},
	{"toolchains: [{release: 1.26.8}]", "did you mean go1.26.8?"},
	{"toolchains: [go1.26.x]", "name one like go1.26.8"},
	{"toolchains: [go2]", "name one like go1.26.8"},
	{"toolchains: [go1.26-a b]", "name one like go1.26.8"},
	{"toolchains: [{relase: go1.26}]", `toolchains: there is no field "relase": did you mean release?`},
	{"toolchains: [go1.26, {release: go1.26}]", "is there already"},
	{"allow: []", "allow: the list is empty"},
	{"allow: github.com/**", "allow: this must be a list, as in [\"github.com/**\"]"},
	{"allow: [github.com/x/]", "did you mean github.com/x/**?"},
	{"allow: [corp/**]", "missing dot in first path element"},
	{"allow: [{modules: [a.example]}]", "allow: this must be text, not fields with values"},
	{"deny: ['github.com/evil/**']", `write {modules: ["github.com/evil/**"], reason: …}`},
	{"deny: [{reason: bad}]", "deny: the field modules is missing"},
	{"deny: [{modules: github.com/evil/**}]", "deny: modules: this must be a list"},
	{"deny: [{modules: [a.example@<1]}]", "did you mean v1?"},
	{"deny: [{modules: [a.example], reason: }]", "deny: reason: a value is missing"},
	{"deny: [{modules: [a.example]}, {modules: [a.example], reason: x}]", "is there already"},
	{"allow: [**]", "this is not YAML: did not find expected alphabetic or numeric character; a text that begins with * has to be put in quotes"},
	{"allow: [*x]", "this is not YAML: unknown anchor 'x' referenced; a text that begins with * has to be put in quotes"},
	{"key: @x", "a text that begins with @ has to be put in quotes"},
	{"\tkey: x", "a tab character"},
	{" key: x", "this is not YAML, here or just before"},
	{"modules: [a", "did not find expected ',' or ']'"},
	{"key: \x01", "control characters are not allowed"},
	{"key: \xff", "invalid leading UTF-8 octet"},
	{"key: x # \u2028deny: [{modules: [a.example]}]", "the line has a control character in it"},
	{"key: x # \u2029deny: [{modules: [a.example]}]", "the line has a control character in it"},
	{"key: x # \u0085deny: [{modules: [a.example]}]", "the line has a control character in it"},
	{"key: x # \rdeny: [{modules: [a.example]}]", "the line has a control character in it"},
	{"---", "a second document begins here"},
	{"modules: !foo [a.example/b@latest]", "modules: tags (!foo) are not read here"},
	{"&a modules: [a.example/b@latest]", "anchors (&a) are not read here"},
	{"modules: [{module: a.example/b, latest: 010}]", "modules: latest: this must be a whole number"},
	{"modules: [\"a.example/b@x\u3000y\"]", "is not a query"},
	{"store: 'oci: ./a'", "store: a directory is written oci:DIR"},
}

func TestParseSaysWhatIsWrongOnWhichLine(t *testing.T) {
	for _, tt := range wrong {
		_, err := Parse("modferry.yaml", []byte("version: 1\n"+tt.line+"\n"))
		if err == nil || !strings.HasPrefix(err.Error(), "modferry.yaml:2: ") || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s:\n got %v\nwant %s", tt.line, err, tt.want)
		}
		if err != nil && strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: more than one problem:\n%v", tt.line, err)
		}
	}
}

func TestParseDoesNotJudgeWhatItCannotKnow(t *testing.T) {
	for _, line := range []string{
		"modules: [a.example/b@main, a.example/b@1.2.3, a.example/b@0123456789ab, a.example/b@v1, a.example/b@v2.0.0, a.example/b@feature/x]",
		"modules: [a.example/b/v2@v2, gopkg.in/yaml.v3@v3.0.1, a.example/b@>=v1]",
		"platforms: [newos/newarch]", "toolchains: [go1.27rc1, go1.20]",
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

func TestParseChecksTheVersionFirst(t *testing.T) {
	for text, want := range map[string]string{
		"":                         "modferry.yaml:1: the file is empty: it begins with version: 1",
		"# nothing\n":              "modferry.yaml:1: the file is empty: it begins with version: 1",
		"- a\n":                    "modferry.yaml:1: a mirror file consists of fields, as in version: 1, not of a list",
		"\nmodules.txt\n":          "modferry.yaml:2: a mirror file consists of fields, as in version: 1, not of text",
		"key: a\n":                 "modferry.yaml:1: version: the field is missing: begin the file with version: 1",
		"key: a\nversion: '1'\n":   "modferry.yaml:2: version: this must be the number 1",
		"version: 1.0\n":           "modferry.yaml:1: version: this must be the number 1",
		"version: [1]\n":           "modferry.yaml:1: version: this must be the number 1",
		"version:\n":               "modferry.yaml:1: version: a value is missing: give one, or leave out the line",
		"version: 2\nnew: thing\n": `modferry.yaml:1: version: this modferry reads version 1 of mirror files, not "2"; a newer one may`,
	} {
		if _, err := Parse("modferry.yaml", []byte(text)); fmt.Sprint(err) != want {
			t.Errorf("%q:\n got %v\nwant %s", text, err, want)
		}
	}
}
