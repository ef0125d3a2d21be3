package main

import (
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/modferry/modferry/artifact/sumdb"
	"github.com/modferry/modferry/cmd/modferry/internal/command"
	"github.com/modferry/modferry/registry/remote/registrytest"
)

func TestVerifyAllOfNothingIsNoSuccess(t *testing.T) {
	b, public := mirrored(t)
	reg := registrytest.New(t, registrytest.Options{})
	b.run("verify", "--key", public, "--all", "--registry", reg.Host()+"/golnag").exits(command.ExitFailed).
		prints("").complains("nothing was verified", reg.Host()+"/golnag")
	store := "oci:" + b.path("store")
	b.run("verify", "--key", public, "--all", "--registry", "example.com=none,"+store).exits(command.ExitFailed).complains("nothing was verified")
	b.run("verify", "--key", public, b.write("go.sum", "")).exits(command.ExitFailed).complains("nothing was verified", "go.sum")
	b.run("verify", "--key", public, "-").exits(command.ExitFailed).complains("nothing was verified")
}

// An account that may not read the snapshot of a store cannot tell whether there is one.
func TestVerifyWarnsOfASnapshotThatItMayNotRead(t *testing.T) {
	b := newBench(t)
	private, public := b.keys("cosign")
	reg := registrytest.New(t, registrytest.Options{})
	b.env["MODFERRY_REGISTRY"] = reg.Host() + "/golang"
	b.upstream("example.com/a@v1.0.0")
	b.run("mirror", "--key", private, "--no-sumdb", "example.com/a@v1.0.0").exits(command.ExitOK)
	t.Setenv("GONOSUMDB", "")
	if r := b.run("verify", "--key", public, "example.com/a@v1.0.0").exits(command.ExitOK).says("sumdb=none"); strings.Contains(r.err, "WARNING") {
		t.Errorf("there is no snapshot, which is nothing to warn of:\n%s", r.err)
	}
	reg.Inject(registrytest.Denied().On(http.MethodGet, registrytest.Manifest).For(sumdb.LatestTag))
	b.run("verify", "--key", public, "example.com/a@v1.0.0").exits(command.ExitOK).says("sumdb=none").
		complains("WARNING", "checksum snapshot", "denied")
}

// A pull-only account, and registries that have no catalog.
func TestListingsNeedNoCatalogWhereThereIsAnIndex(t *testing.T) {
	b := newBench(t)
	private, public := b.keys("cosign")
	reg := registrytest.New(t, registrytest.Options{})
	b.env["MODFERRY_REGISTRY"] = reg.Host() + "/golang"
	b.upstream("example.com/a@v1.0.0", "example.com/B@v1.0.0", "example.com/c@v1.0.0")
	b.run("mirror", "--key", private, "--no-sumdb", "example.com/a@v1.0.0", "example.com/B@v1.0.0").exits(command.ExitOK)
	reg.Inject(registrytest.NoCatalog())
	const list = "example.com/B v1.0.0\nexample.com/a v1.0.0\n"
	b.run("list").exits(command.ExitOK).prints(list)
	b.run("verify", "--key", public, "--all").exits(command.ExitOK).says("ok       example.com/B v1.0.0", "ok       example.com/a v1.0.0").
		complains("2 of 2 versions verified")

	b.run("mirror", "--key", private, "--no-sumdb", "example.com/c@v1.0.0").exits(command.ExitOK)
	b.run("list").exits(command.ExitOK).prints(list + "example.com/c v1.0.0\n")

	_, stranger := b.keys("stranger")
	for _, line := range []string{"list", "verify --all"} {
		b.run(append(strings.Fields(line), "--key", stranger)...).exits(command.ExitFailed).
			complains("WARNING", "golang/index", "no trusted signature", "catalog")
	}
}

func TestVerifySaysWhenTheCatalogAloneToldWhatThereIs(t *testing.T) {
	b := newBench(t)
	private, public := b.keys("cosign")
	reg := registrytest.New(t, registrytest.Options{})
	b.env["MODFERRY_REGISTRY"] = reg.Host() + "/golang"
	b.upstream("example.com/a@v1.0.0")
	b.run("mirror", "--key", private, "--no-sumdb", "example.com/a@v1.0.0").exits(command.ExitOK)
	if r := b.run("verify", "--key", public, "--all").exits(command.ExitOK); strings.Contains(r.err, "partial") {
		t.Errorf("there is an index:\n%s", r.err)
	}
	reg.Inject(registrytest.Answer(http.StatusNotFound, "NAME_UNKNOWN", "no index").On(http.MethodGet, registrytest.Tags).Times(1))
	b.run("verify", "--key", public, "--all").exits(command.ExitOK).complains("pull-through cache", "1 of 1 versions verified")
}

func TestListingsOfALayoutAreNeverPartial(t *testing.T) {
	b, _ := mirrored(t)
	_, stranger := b.keys("stranger")
	r := b.run("verify", "--key", stranger, "--all").exits(command.ExitRefused).complains("no trusted signature", "0 of 4 versions verified")
	if strings.Contains(r.err, "partial") {
		t.Errorf("of a directory:\n%s", r.err)
	}
}

func TestNamesOfAFileNeedNeitherCatalogNorIndex(t *testing.T) {
	b, public := mirrored(t)
	list := b.run("list").exits(command.ExitOK).out
	reg := "oci:" + b.path("store")
	for _, names := range []string{
		list,
		"example.com/a@v1.0.0\n\n  example.com/a@v1.9.0\nexample.com/a v1.10.0\nexample.com/Dep@v1.0.0\n",
		"example.com/a v1.0.0 " + b.zipSum("example.com/a@v1.0.0") + "\nexample.com/a v1.9.0/go.mod " + b.goModSum("example.com/a@v1.9.0") +
			"\nexample.com/a v1.10.0/go.mod " + b.goModSum("example.com/a@v1.10.0") + "\nexample.com/Dep v1.0.0/go.mod " + b.goModSum("example.com/Dep@v1.0.0") + "\n",
	} {
		b.stdin = names
		b.run("verify", "--key", public, "--registry", reg, "-").exits(command.ExitOK).complains("4 of 4 versions verified")
		b.run("verify", "--key", public, b.write("names.txt", names)).exits(command.ExitOK).complains("4 of 4 versions verified")
	}
	b.stdin = "example.com/a v1.0.0 latest\n"
	b.run("verify", "--key", public, "-").exits(command.ExitUsage).complains("-:1:")
	b.stdin = "example.com/a\nexample.com/Dep\n"
	b.run("list", "-").exits(command.ExitOK).prints("example.com/a v1.0.0\nexample.com/a v1.9.0\nexample.com/a v1.10.0\nexample.com/Dep v1.0.0 mod-only\n")
	b.stdin = "../x\n"
	b.run("list", "-").exits(command.ExitUsage).complains("../x")
}

func TestVersionThatWasListedInFullIsNotVerifiedByItsGoModAlone(t *testing.T) {
	b, public := mirrored(t)
	b.stdin = "example.com/a v1.0.0\nexample.com/Dep v1.0.0\n"
	b.run("verify", "--key", public, "-").exits(command.ExitItems).says("FAILED   example.com/Dep v1.0.0").
		complains("only the go.mod is in the store", "1 of 2 versions verified")
	b.run("verify", "--key", public, "example.com/Dep@v1.0.0").exits(command.ExitOK)
}

func TestVerifyReadsTheLockOfAMirrorFile(t *testing.T) {
	b := newBench(t)
	private, public := b.keys("cosign")
	b.upstream("example.com/a@v1.0.0")
	file := b.write("modferry.yaml", "version: 1\nmodules: [{module: example.com/a, query: v1.0.0, deps: false}]\n")
	b.run("mirror", "--key", private, "--no-sumdb", file).exits(command.ExitOK)
	lock := strings.TrimSuffix(file, ".yaml") + ".lock"
	b.run("verify", "--key", public, lock).exits(command.ExitOK).says("ok       example.com/a v1.0.0").complains("1 of 1 versions verified")
	data, err := os.ReadFile(lock)
	must(t, err)
	b.write("modferry.lock", strings.ReplaceAll(string(data), b.zipSum("example.com/a@v1.0.0"), b.goModSum("example.com/a@v1.0.0")))
	b.run("verify", "--key", public, lock).exits(command.ExitRefused).complains("modferry.lock", b.zipSum("example.com/a@v1.0.0"))
}
