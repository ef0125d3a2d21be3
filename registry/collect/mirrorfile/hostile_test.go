package mirrorfile

import (
	"fmt"
	"strings"
	"testing"

	"github.com/modferry/modferry/registry/redact/redacttest"
)

// bomb is a file whose aliases, written out, are 10^levels texts.
func bomb(levels int) string {
	var b strings.Builder
	b.WriteString("version: 1\na0: &a0 [lol]\n")
	for i := range levels {
		alias := fmt.Sprintf("*a%d", i)
		fmt.Fprintf(&b, "a%d: &a%d [%s]\n", i+1, i+1, strings.Join([]string{alias, alias, alias, alias, alias, alias, alias, alias, alias, alias}, ", "))
	}
	fmt.Fprintf(&b, "modules: *a%d\n", levels)
	return b.String()
}

func TestParseSurvivesHostileFiles(t *testing.T) {
	fill := func(s string) string { return strings.Repeat(s, MaxSize/len(s)-20) }
	for name, tt := range map[string]struct{ text, want string }{
		"an alias bomb":            {bomb(30), "anchors (&x), aliases (*x) and tags (!x) are not read here"},
		"an alias to itself":       {"version: 1\nmodules: &a [*a]\n", "anchors (&x), aliases (*x) and tags (!x) are not read here"},
		"a merge key":              {"version: 1\n<<: {key: x}\n", `there is no field "<<"`},
		"deep lists":               {"version: 1\nmodules: " + fill("["), "exceeded max depth"},
		"deep mappings":            {"version: 1\nmodules: " + fill("{a: "), "exceeded max depth"},
		"lists less deep":          {"version: 1\nmodules: " + strings.Repeat("[", 9000) + strings.Repeat("]", 9000), "not !!seq"},
		"a file that is too large": {"version: 1\n" + strings.Repeat(" ", MaxSize), "at most 1048576 are read"},
		"a field that is too long": {"version: 1\n\"" + strings.Repeat("x", 1000) + "\": 1\n", `xxx": there are version, store`},
		"very many problems":       {"version: 1\nmodules:\n" + fill("- a\n"), "modferry.yaml:102: "},
		"UTF-16":                   {"\xff\xfev\x00e\x00r\x00s\x00i\x00o\x00n\x00:\x00 \x001\x00", "modferry.yaml:1: the line is not UTF-8 text"},
		"a broken end":             {"version: 1\nmodules:\n" + strings.Repeat("- a\n", 20_000) + "}", "this is not YAML"},
	} {
		_, err := Parse("modferry.yaml", []byte(tt.text))
		if err == nil {
			t.Errorf("%s: no error", name)
			continue
		}
		if !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %.300v, want %s", name, err, tt.want)
		}
		if n := len(err.Error()); n > 50_000 {
			t.Errorf("%s: the error has %d bytes", name, n)
		}
	}
}

func TestParseShowsNoPartOfCredentials(t *testing.T) {
	for _, user := range redacttest.Users() {
		for _, line := range []string{
			"upstream: 'https://%s@proxy.example x'", "upstream: ['https://%s@proxy.example']", "private: ['https://%s@proxy.example']",
			"private: ['https://%s@proxy.example,x']", "platforms: ['https://%s@proxy.example']", "modules: ['https://%s@proxy.example/x']",
			"modules: ['https://%s@proxy.example@latest']", "modules: [{module: 'https://%s@proxy.example', query: latest}]",
			"modules: [{module: example.com/a, versions: 'https://%s@proxy.example'}]", "tools: ['https://%s@proxy.example@latest']",
			"tools: [{package: 'https://%s@proxy.example', query: latest}]", "toolchains: ['https://%s@proxy.example']",
			"allow: ['https://%s@proxy.example']", "deny: ['https://%s@proxy.example']", "deny: [{modules: ['https://%s@proxy.example']}]",
			"'https://%s@proxy.example': 1", "downloadAll: 'https://%s@proxy.example'",
		} {
			line = fmt.Sprintf(line, user)
			_, err := Parse("modferry.yaml", []byte("version: 1\n"+line+"\n"))
			if err == nil {
				t.Errorf("%s: no error", line)
				continue
			}
			redacttest.Check(t, err.Error())
		}
	}
}

func TestParseShowsNoPasswords(t *testing.T) {
	for _, tt := range []struct{ line, want string }{
		{"upstream: [https://user:hunter2@proxy.example]", "upstream: this must be text"},
		{`upstream: " https://user:hunter2@proxy.example"`, "upstream: the text is empty, begins or ends with a space"},
		{"upstream: https://user:hunter2@proxy.example: direct", "this is not YAML"},
		{"upstream: !x https://user:hunter2@proxy.example", "tags"},
		{"store: [https://user:hunter2@harbor.example]", "store: this must be text"},
		{`store: "https://user:hunter2@harbor.example,oci:"`, "store: a directory is written"},
	} {
		t.Run(tt.line, func(t *testing.T) {
			_, err := Parse("modferry.yaml", []byte("version: 1\n"+tt.line+"\n"))
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}
