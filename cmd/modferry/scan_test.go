package main

import (
	"testing"

	"github.com/modferry/modferry/cmd/modferry/internal/command"
	"github.com/modferry/modferry/registry/remote/registrytest"
)

func TestMirrorWaitsForScansAndNamesWhatIsHeldBack(t *testing.T) {
	b := newBench(t)
	private, _ := b.keys("cosign")
	b.upstream("example.com/a@v1.0.0")
	reg := registrytest.New(t, registrytest.Options{})
	mirror := func(more ...string) result {
		return b.run(append([]string{"mirror", "--registry", reg.Host() + "/golang", "--key", private, "example.com/a@v1.0.0"}, more...)...)
	}
	mirror("--wait-for-scan", "1m").exits(command.ExitOK)

	reg.Inject(registrytest.HarborPolicyViolation())
	mirror().exits(command.ExitOK)
	mirror("--wait-for-scan", "1m").exits(command.ExitItems).complains("example.com/a@v1.0.0", "2 vulnerabilities", "held back by the registry")
	mirror("--wait-for-scan", "1m", "--json").exits(command.ExitItems).says(`"status":"held-back"`, "2 vulnerabilities")

	reg.Heal()
	reg.Inject(registrytest.HarborUnscanned())
	mirror("--wait-for-scan", "1ms").exits(command.ExitItems).complains("waiting for the registry to scan what is there: 1 to go", "without vulnerability scanning")
}

// What a registry's policy holds back, the go command is refused with the registry's words, and told whom to ask.
func TestTheGoCommandIsToldWhatAPolicyHoldsBack(t *testing.T) {
	b := newBench(t)
	private, public := b.keys("cosign")
	b.upstream("example.com/a@v1.0.0")
	reg := registrytest.New(t, registrytest.Options{})
	store := reg.Host() + "/golang"
	b.run("mirror", "--registry", store, "--key", private, "example.com/a@v1.0.0").exits(command.ExitOK)
	reg.Inject(registrytest.HarborPolicyViolation())
	t.Setenv("GOMODCACHE", t.TempDir())
	b.run("run", "--registry", store, "--key", public, "--private", "example.com/*", "--cache", b.path("shim"), "--",
		"go", "mod", "download", "example.com/a@v1.0.0").exits(1).complains("403 Forbidden", "example.com/a@v1.0.0", "2 vulnerabilities")
}
