package main

import (
	"cmp"
	"crypto/rand"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"github.com/modferry/modferry/cmd/modferry/internal/command"
)

func TestEnvPrintsSettingsInTheSyntaxOfTheShell(t *testing.T) {
	b := newBench(t)
	for _, test := range []struct{ args, want string }{
		{"", "export GOPROXY='http://127.0.0.1:7070'\nexport GONOPROXY='none'\n"},
		{"fish", "set -gx GOPROXY 'http://127.0.0.1:7070'\nset -gx GONOPROXY 'none'\n"},
		{"powershell", "$env:GOPROXY = 'http://127.0.0.1:7070'\n$env:GONOPROXY = 'none'\n"},
		{"cmd", "set \"GOPROXY=http://127.0.0.1:7070\"\nset \"GONOPROXY=none\"\n"},
	} {
		args := []string{"env"}
		if test.args != "" {
			args = append(args, "--shell", test.args)
		}
		b.run(args...).exits(command.ExitOK).prints(test.want)
	}
}

func TestEnvGivesTheLogItsOwnNameBack(t *testing.T) {
	_, key, err := note.GenerateKey(rand.Reader, "sum.corp.example")
	must(t, err)
	for value, want := range map[string]string{
		"sum.golang.google.cn":                      "export GOSUMDB='sum.golang.org'\n",
		"sum.golang.org https://sum.mirror.example": "export GOSUMDB='sum.golang.org'\n",
		key + " https://sum.corp.example":           "export GOSUMDB='" + key + "'\n",
		"sum.golang.org":                            "",
		"off":                                       "",
		"nonsense of several words":                 "",
	} {
		t.Setenv("GOSUMDB", value)
		b := newBench(t)
		t.Setenv("GOSUMDB", value)
		if _, got, _ := strings.Cut(b.run("env").exits(command.ExitOK).out, "export GONOPROXY='none'\n"); got != want {
			t.Errorf("GOSUMDB=%s: %q, want %q", value, got, want)
		}
		b.run("run", "--insecure-skip-verify", "sh", "-c", `echo "export GOSUMDB='$GOSUMDB'"`).exits(command.ExitOK).
			prints(cmp.Or(want, "export GOSUMDB='"+value+"'\n"))
	}
}

func TestEnvNamesPrivateModulesAndOtherShims(t *testing.T) {
	b := newBench(t)
	b.run("env", "--private", "corp.example/*").exits(command.ExitOK).says("export GONOSUMDB='corp.example/*'")
	b.run("env", "--shim", "https://shim.corp.example").exits(command.ExitOK).says("GOPROXY='https://shim.corp.example'")
	b.run("env", "--listen", ":8080").exits(command.ExitOK).says("http://127.0.0.1:8080")
	b.run("env", "--listen", "[::1]:8080").exits(command.ExitOK).says("http://[::1]:8080")
	got := jsonLines[map[string]string](b.run("env", "--json").exits(command.ExitOK))
	if len(got) != 1 || got[0]["GOPROXY"] != "http://127.0.0.1:7070" || got[0]["GONOPROXY"] != "none" {
		t.Errorf("env --json: %v", got)
	}
}
