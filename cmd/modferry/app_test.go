package main

import (
	"io"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"

	"github.com/modferry/modferry/cmd/modferry/internal/command"
)

func testApp() *cli.App {
	return newApp(command.Streams{In: strings.NewReader(""), Out: io.Discard, Err: io.Discard, Env: func(string) (string, bool) { return "", false }})
}

func TestEveryCommandHasHelpWithExamples(t *testing.T) {
	b := newBench(t)
	for _, cmd := range testApp().Commands {
		if cmd.Name == "help" {
			continue
		}
		for _, below := range cmd.Subcommands {
			for _, args := range [][]string{{cmd.Name, below.Name, "--help"}, {"help", cmd.Name, below.Name}} {
				b.run(args...).exits(command.ExitOK).says("USAGE:", "DESCRIPTION:", "EXAMPLES:", "modferry "+cmd.Name+" "+below.Name)
			}
			b.run(cmd.Name, "--help").exits(command.ExitOK).says("\n   "+below.Name, below.Usage)
		}
		for _, args := range [][]string{{cmd.Name, "--help"}, {"help", cmd.Name}} {
			b.run(args...).exits(command.ExitOK).says("USAGE:", "DESCRIPTION:", "EXAMPLES:", "modferry "+cmd.Name)
		}
		b.run("--help").exits(command.ExitOK).says("\n   "+cmd.Name, cmd.Usage)
	}
}

// The examples in the help must at least be command lines that parse.
func TestHelpExamplesUseOptionsThatExist(t *testing.T) {
	for _, cmd := range testApp().Commands {
		checkExamples(t, cmd, cmd.Name)
		for _, below := range cmd.Subcommands {
			checkExamples(t, below, cmd.Name+" "+below.Name)
		}
	}
}

func checkExamples(t *testing.T, cmd *cli.Command, name string) {
	t.Helper()
	if cmd.Subcommands != nil {
		return // its examples are those of the commands below it
	}
	known := map[string]bool{"--": true, "--help": true}
	for _, f := range cmd.Flags {
		for _, n := range f.Names() {
			known["--"+n] = true
		}
	}
	_, examples, _ := strings.Cut(cmd.Description, "EXAMPLES:")
	for line := range strings.Lines(examples) {
		_, rest, ok := strings.Cut(line, "modferry "+name)
		if !ok {
			continue
		}
		for word := range strings.FieldsSeq(rest) {
			if word == "--" || word == "|" {
				break
			}
			option, _, _ := strings.Cut(word, "=")
			if strings.HasPrefix(option, "--") && !known[option] {
				t.Errorf("%s: an example uses %s, which is no option", name, option)
			}
		}
	}
}

func TestUsageErrorsExitWith2AndSayWhatIsWrong(t *testing.T) {
	b := newBench(t)
	for _, test := range []struct{ args, want string }{
		{"", "COMMANDS:"},
		{"mirorr", "mirorr"},
		{"help mirorr", "mirorr"},
		{"--nonsense", "nonsense"},
		{"list --nonsense", "modferry list --help"},
		{"keygen now", "no arguments"},
		{"mirror", "source"},
		{"mirror example.com/a@v1.0.0", "--no-sign"},
		{"mirror --key x.key --no-sign example.com/a@v1.0.0", "contradict"},
		{"mirror --no-sign --jobs 0 example.com/a@v1.0.0", "--jobs"},
		{"mirror --no-sign --jobs many example.com/a@v1.0.0", "many"},
		{"serve now", "no arguments"},
		{"serve", "--key"},
		{"serve --key a.pub --insecure-skip-verify", "contradict"},
		{"serve --insecure-skip-verify --listen nowhere", "nowhere"},
		{"serve --insecure-skip-verify --listen 0.0.0.0:0", "--allow-remote"},
		{"serve --insecure-skip-verify --listen :0", "--allow-remote"},
		{"serve --insecure-skip-verify --tls-cert only.crt", "--tls-key"},
		{"serve --insecure-skip-verify --allow-host shim.corp.example:7070", "shim.corp.example:7070"},
		{"serve --insecure-skip-verify --allow-host *.corp.example", "*.corp.example"},
		{"serve --insecure-skip-verify --log-format xml", "xml"},
		{"serve --insecure-skip-verify --cache-max huge", "huge"},
		{"serve --insecure-skip-verify --recheck -1s", "--recheck"},
		{"run --insecure-skip-verify", "command"},
		{"env --shell tcsh", "tcsh"},
		{"env --listen nowhere", "nowhere"},
		{"env --shim ftp://example.com", "ftp://example.com"},
		{"ref", "module"},
		{"ref example.com/a@1.0", "example.com/a@1.0"},
		{"ref nodots", "nodots"},
		{"list nodots", "nodots"},
		{"inspect", "module@version"},
		{"inspect example.com/a", "example.com/a"},
		{"inspect example.com/a@latest", "latest"},
		{"verify", "--all"},
		{"verify --all example.com/a@v1.0.0", "--all"},
		{"verify example.com/a@v1.0.0", "--key"},
		{"verify --insecure-skip-verify no-such-go.sum", "no-such-go.sum"},
		{"version 2", "no arguments"},
		{"bundle", "bundle create"},
		{"bundle make", "bundle make"},
		{"bundle create", "--output"},
		{"bundle create --output x.tar", "--key"},
		{"bundle create --output - --no-sign --volume-size 1GB", "standard output"},
		{"bundle create --output x.tar --no-sign --volume-size huge", "huge"},
		{"bundle create --output x.tar --no-sign --registry oci:a,example.com=oci:b", "one store"},
		{"bundle create --output x.tar --no-sign --registry oci:a no-such-go.sum:", "no-such-go.sum"},
		{"bundle info", "which volume"},
	} {
		b.run(strings.Fields(test.args)...).exits(command.ExitUsage).complains(test.want)
	}
}

func TestMalformedStoreIsAUsageErrorThatNamesIt(t *testing.T) {
	b := newBench(t)
	b.run("list", "--registry", "not a registry!").exits(command.ExitUsage).complains("not a registry!")
}

func TestOptionsMayFollowArguments(t *testing.T) {
	for _, test := range []struct{ args, want string }{
		{"list example.com/m --json", "list --json -- example.com/m"},
		{"list example.com/m --registry oci:x --json", "list --registry oci:x --json -- example.com/m"},
		{"list --registry=oci:x example.com/m", "list --registry=oci:x -- example.com/m"},
		{"ref - --registry oci:x", "ref --registry oci:x -- -"},
		{"mirror a@v1 --key k b@v1", "mirror --key k -- a@v1 b@v1"},
		{"mirror -- --key k", "mirror -- --key k"},
		{"run --key k go build -o x", "run --key k go build -o x"},
		{"run -- go build --json", "run -- go build --json"},
		{"list --registry", "list --registry --"},
		{"unknown --json x", "unknown --json x"},
		{"--help", "--help"},
	} {
		got := flagsFirst(testApp(), strings.Fields(test.args))
		if !slices.Equal(got, strings.Fields(test.want)) {
			t.Errorf("flagsFirst(%s) = %s, want %s", test.args, got, test.want)
		}
	}
}

func TestEnvironmentTwins(t *testing.T) {
	b := newBench(t)
	b.env["MODFERRY_REGISTRY"] = "harbor.example/golang"
	b.run("ref", "example.com/a@v1.0.0").exits(command.ExitOK).prints("harbor.example/golang/example.com/a:v1.0.0\n")
	b.run("ref", "--registry", "harbor.example/other", "example.com/a").exits(command.ExitOK).prints("harbor.example/other/example.com/a\n")
	b.env["MODFERRY_LISTEN"] = "127.0.0.1:9999"
	b.run("env").exits(command.ExitOK).says("http://127.0.0.1:9999")
	b.env["MODFERRY_JOBS"] = "some"
	b.run("mirror", "--no-sign", "example.com/a@v1.0.0").exits(command.ExitUsage).complains("MODFERRY_JOBS")
}

func TestDefaultStoreIsInTheDataDirectory(t *testing.T) {
	b := newBench(t)
	delete(b.env, "MODFERRY_REGISTRY")
	b.env["XDG_DATA_HOME"] = b.path("data")
	b.run("ref", "example.com/a").exits(command.ExitOK).says(b.path("data", "modferry", "store"))
	delete(b.env, "XDG_DATA_HOME")
	b.run("ref", "example.com/a").exits(command.ExitOK).says(b.dir, filepath.Join("modferry", "store"))
	delete(b.env, "HOME")
	b.run("ref", "example.com/a").exits(command.ExitUsage).complains("--registry")
}

func TestVersion(t *testing.T) {
	b := newBench(t)
	b.run("version").exits(command.ExitOK).says("modferry ", "go1.")
	b.run("--version").exits(command.ExitOK).says("modferry ")
	if got := jsonLines[map[string]string](b.run("version", "--json").exits(command.ExitOK)); got[0]["version"] == "" {
		t.Errorf("no version in %v", got)
	}
}
