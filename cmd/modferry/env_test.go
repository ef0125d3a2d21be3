package main

import "testing"

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
		b.run(args...).exits(exitOK).prints(test.want)
	}
}

func TestEnvNamesPrivateModulesAndOtherShims(t *testing.T) {
	b := newBench(t)
	b.run("env", "--private", "corp.example/*").exits(exitOK).says("export GONOSUMDB='corp.example/*'")
	b.run("env", "--shim", "https://shim.corp.example").exits(exitOK).says("GOPROXY='https://shim.corp.example'")
	b.run("env", "--listen", ":8080").exits(exitOK).says("http://127.0.0.1:8080")
	b.run("env", "--listen", "[::1]:8080").exits(exitOK).says("http://[::1]:8080")
	got := jsonLines[map[string]string](b.run("env", "--json").exits(exitOK))
	if len(got) != 1 || got[0]["GOPROXY"] != "http://127.0.0.1:7070" || got[0]["GONOPROXY"] != "none" {
		t.Errorf("env --json: %v", got)
	}
}
