package main

import (
	"regexp"
	"strings"
	"testing"

	"github.com/modferry/modferry/cmd/modferry/internal/command"
	"github.com/modferry/modferry/registry/remote/registrytest"
)

// namesTwice returns a line that names a version twice, but for one in a command to copy.
func namesTwice(text, version string) string {
	commands := regexp.MustCompile(`"modferry [^"]*"|to add it: .*|run modferry .*|go install -n [^:]*`)
	for line := range strings.Lines(text) {
		if strings.Count(commands.ReplaceAllString(line, ""), version) > 1 {
			return line
		}
	}
	return ""
}

func TestALineNamesAVersionOnce(t *testing.T) {
	reg := registrytest.New(t, registrytest.Options{})
	const m = "example.com/a@v1.0.0"
	for _, store := range []string{"", reg.Host() + "/golang"} {
		b := newBench(t)
		if store != "" {
			b.env["MODFERRY_REGISTRY"] = store
		}
		b.upstream(m, "example.com/b@v1.0.0")
		private, public := b.keys("cosign")
		_, foreign := b.keys("foreign")
		b.run("mirror", "--key", private, "example.com/b@v1.0.0").exits(command.ExitOK)
		fails := func(version string, args ...string) {
			t.Helper()
			r := b.run(args...)
			if r.code == command.ExitOK || !strings.Contains(r.err+r.out, strings.Split(version, "@")[0]) {
				t.Errorf("modferry %s: exit code %d: %s%s", r.line, r.code, r.out, r.err)
			}
			if line := namesTwice(r.out+r.err, version); line != "" {
				t.Errorf("modferry %s: %s", r.line, line)
			}
		}
		const missing = "example.com/a@v1.9.0"
		fails(missing, "mirror", "--key", private, missing)
		fails(missing, "mirror", "--key", private, "--static", missing)
		fails("nosuch.example/x@latest", "mirror", "--key", private, "nosuch.example/x@latest")
		fails("example.com/a/v3@v1.0.0", "mirror", "--key", private, "example.com/a/v3@v1.0.0")
		fails("example.com/a/cmd@v1.0.0", "mirror", "--key", private, "--tool", "example.com/a/cmd@v1.0.0")
		fails(missing, "verify", "--key", public, missing)
		fails("example.com/b@v1.0.0", "verify", "--key", foreign, "example.com/b@v1.0.0")
		fails(missing, "inspect", missing)
		fails("example.com/a@v9", "ref", "example.com/a@v9")
		fails("example.com/a@v9", "inspect", "example.com/a@v9")
		if store == "" {
			continue
		}
		for name, fault := range map[string]registrytest.Fault{
			"denied": registrytest.Denied(), "policy": registrytest.HarborPolicyViolation(), "rotten": registrytest.WrongDigestBody(),
			"full": registrytest.HarborQuotaExceeded(), "right": registrytest.HarborRightMissing("push"),
		} {
			t.Run(name, func(t *testing.T) {
				reg.Inject(fault)
				defer reg.Heal()
				if name == "full" || name == "right" {
					fails(m, "mirror", "--key", private, m)
					return
				}
				fails("example.com/b@v1.0.0", "verify", "--key", public, "example.com/b@v1.0.0")
				fails("example.com/b@v1.0.0", "inspect", "--key", public, "example.com/b@v1.0.0")
			})
		}
	}
}

func TestATypingErrorIsExplained(t *testing.T) {
	b := newBench(t)
	private, public := b.keys("cosign")
	b.upstream("example.com/a@v1.0.0")
	for name, test := range map[string]struct {
		args []string
		code int
		want string
	}{
		"no such private key":  {[]string{"mirror", "--key", b.path("nope.key"), "example.com/a@v1.0.0"}, command.ExitFailed, "modferry keygen"},
		"no such public key":   {[]string{"verify", "--key", b.path("nope.pub"), "example.com/a@v1.0.0"}, command.ExitFailed, "modferry keygen"},
		"no such mirror file":  {[]string{"mirror", "--key", private, "nope.yaml"}, command.ExitFailed, "there is no mirror file nope.yaml"},
		"no such source":       {[]string{"mirror", "--key", private, "nope"}, command.ExitItems, "nope@latest"},
		"the other key":        {[]string{"mirror", "--key", public, "example.com/a@v1.0.0"}, command.ExitFailed, "cosign.key"},
		"no such platform":     {[]string{"mirror", "--key", private, "--platform", "linux/amd46", "--tool", "example.com/a@v1.0.0"}, command.ExitUsage, "does not build for"},
		"no such go.sum":       {[]string{"verify", "--key", public, "go.smu"}, command.ExitUsage, "the name of a go.sum"},
		"no such command":      {[]string{"miror"}, command.ExitUsage, "the commands are"},
		"no such option":       {[]string{"mirror", "--kye", private}, command.ExitUsage, "--help lists the options"},
		"a version in list":    {[]string{"list", "example.com/a@v1.0.0"}, command.ExitUsage, "verify take module@version"},
		"a version apart":      {[]string{"mirror", "--key", private, "example.com/a", "v1.0.0"}, command.ExitItems, "as module@v1.0.0"},
		"options in front":     {[]string{"--registry", "harbor.example/golang", "list"}, command.ExitUsage, "behind the command"},
		"no such directory":    {[]string{"publish", "--key", private, "nosuch"}, command.ExitFailed, "nosuch is no directory"},
		"a wrong address":      {[]string{"serve", "--key", public, "--listen", "7070"}, command.ExitUsage, "127.0.0.1:7070"},
		"a wrong kind of size": {[]string{"serve", "--key", public, "--cache-max", "lots"}, command.ExitUsage, "10GB"},
	} {
		t.Run(name, func(t *testing.T) {
			b.run(test.args...).exits(test.code).complains(test.want)
		})
	}
}
