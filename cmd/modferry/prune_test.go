package main

import (
	"os"
	"strings"
	"testing"

	"github.com/modferry/modferry/cmd/modferry/internal/command"
	"github.com/modferry/modferry/registry/prune"
	"github.com/modferry/modferry/registry/remote/registrytest"
)

func TestPruneRemovesWhatItsPlanSays(t *testing.T) {
	b, public := mirrored(t)
	b.run("prune", "plan", "--keep", "2", "-o", "plan.txt").exits(command.ExitOK).complains("2 versions would be removed, 4 tags")
	b.run("list", "--full").exits(command.ExitOK).says("example.com/a v1.0.0\n")
	plan, err := os.ReadFile("plan.txt")
	must(t, err)
	b.run("prune", "plan", "--keep", "2").exits(command.ExitOK).prints(string(plan))
	b.run("prune", "apply", "plan.txt").exits(command.ExitOK).says("removed  example.com/a:v1.0.0\n").complains("4 removed")
	b.run("list").exits(command.ExitOK).prints("example.com/a v1.9.0\nexample.com/a v1.10.0\n")
	b.run("verify", "--key", public, "--all").exits(command.ExitOK)
	got := jsonLines[prune.Result](b.run("prune", "apply", "plan.txt", "--json").exits(command.ExitOK))
	if len(got) != 4 || got[0].Outcome != prune.Gone {
		t.Errorf("again: %v", got)
	}
}

func TestPruneKeepsWhatProjectsNeed(t *testing.T) {
	b, _ := mirrored(t)
	must(t, os.MkdirAll("service", 0o700))
	b.write("service/go.mod", "module example.com/service\n\ngo 1.26.1\n\ntoolchain go1.26.2\n")
	b.write("service/go.sum", "example.com/a v1.0.0 "+b.zipSum("example.com/a@v1.0.0")+"\nexample.com/Dep v1.0.0/go.mod "+b.goModSum("example.com/Dep@v1.0.0")+"\n")
	got := jsonLines[prune.Removal](b.run("prune", "plan", "--keep", "0", "--json", "service").exits(command.ExitOK))
	var tags []string
	for _, r := range got {
		tags = append(tags, r.Tag)
	}
	if strings.Join(tags, " ") != "v1.9.0 v1.10.0" {
		t.Errorf("%v goes", tags)
	}
	b.stdin = "example.com/a v1.9.0\n"
	if got := jsonLines[prune.Removal](b.run("prune", "plan", "--keep", "1", "--json", "-").exits(command.ExitOK)); len(got) != 2 {
		t.Errorf("%v", got)
	}
}

func TestPruneDropsWhatADenyListNames(t *testing.T) {
	b, _ := mirrored(t)
	b.write("modferry.yaml", "version: 1\nmodules: [example.com/a@v1.10.0]\ndeny:\n  - modules: [\"example.com/a@<v1.9.0\"]\n    reason: CVE-2026-0001\n")
	b.run("prune", "plan", "--deny", "modferry.yaml", "--drop", "example.com/dep").exits(command.ExitOK).
		says("CVE-2026-0001\n", "remove example.com/dep_u:v1.0.0.mod sha256:", "remove example.com/a:v1.0.0 sha256:").complains("2 versions")
}

func TestHowNotToCallPrune(t *testing.T) {
	b, _ := mirrored(t)
	b.run("prune").exits(command.ExitUsage).complains("prune plan, prune apply")
	b.run("prune", "plan").exits(command.ExitUsage).complains("--keep N")
	b.run("prune", "plan", "--keep", "-3").exits(command.ExitUsage)
	b.run("prune", "plan", "--drop", "example.com/a", "go.sum").exits(command.ExitUsage).complains("--keep 0")
	b.run("prune", "plan", "--drop", "example.com/...").exits(command.ExitUsage).complains("example.com/**")
	b.run("prune", "plan", "--keep", "1", "nowhere").exits(command.ExitFailed).complains("nowhere")
	b.run("prune", "apply").exits(command.ExitUsage)
	b.run("prune", "apply", b.write("other.txt", "not a plan\n")).exits(command.ExitFailed).complains("other.txt", "line 1")
	b.run("prune", "plan", "--keep", "1", "-o", "plan.txt").exits(command.ExitOK)
	b.run("prune", "apply", "--registry", "oci:elsewhere", "plan.txt").exits(command.ExitFailed).complains("for another store")
}

func TestPruneSaysWhatTheRegistryDoesNotAllow(t *testing.T) {
	b := newBench(t)
	reg := registrytest.New(t, registrytest.Options{})
	b.env["MODFERRY_REGISTRY"] = reg.Host() + "/golang"
	b.upstream("example.com/a@v1.0.0", "example.com/a@v1.1.0")
	b.run("mirror", "--no-sign", "example.com/a@v1.0.0", "example.com/a@v1.1.0").exits(command.ExitOK)
	b.run("prune", "plan", "--keep", "1", "-o", "plan.txt").exits(command.ExitOK)
	b.run("prune", "apply", "plan.txt").exits(command.ExitFailed).complains("REGISTRY_STORAGE_DELETE_ENABLED=true")
}

func TestPruneAndTheIndex(t *testing.T) {
	b, public := mirrored(t)
	b.run("prune", "plan", "--drop", "example.com/a", "-o", "plan.txt").exits(command.ExitOK)
	b.run("prune", "apply", "plan.txt").exits(command.ExitOK).complains("still names 1 modules", "--sign-key")
	b.run("prune", "apply", "--sign-key", b.path("cosign.key"), "plan.txt").exits(command.ExitOK).complains("1 modules of which nothing is left were taken out")
	b.run("list", "--key", public).exits(command.ExitOK).prints("example.com/Dep v1.0.0 mod-only\n")
}
