package main

import (
	"net/http"
	"strings"
	"testing"

	"github.com/modferry/modferry/artifact/sumdb"
	"github.com/modferry/modferry/registry/remote/registrytest"
)

func TestVerifyAllOfNothingIsNoSuccess(t *testing.T) {
	b, public := mirrored(t)
	reg := registrytest.New(t, registrytest.Options{})
	b.run("verify", "--key", public, "--all", "--registry", reg.Host()+"/golnag").exits(exitFailed).
		prints("").complains("nothing was verified", reg.Host()+"/golnag")
	store := "oci:" + b.path("store")
	b.run("verify", "--key", public, "--all", "--registry", "example.com=none,"+store).exits(exitFailed).complains("nothing was verified")
	b.write("go.sum", "")
	b.run("verify", "--key", public, b.path("go.sum")).exits(exitOK)
}

// An account that may not read the snapshot of a store cannot tell whether there is one.
func TestVerifyWarnsOfASnapshotThatItMayNotRead(t *testing.T) {
	b := newBench(t)
	private, public := b.keys("cosign")
	reg := registrytest.New(t, registrytest.Options{})
	b.env["MODFERRY_REGISTRY"] = reg.Host() + "/golang"
	b.upstream("example.com/a@v1.0.0")
	b.run("mirror", "--key", private, "--no-sumdb", "example.com/a@v1.0.0").exits(exitOK)
	t.Setenv("GONOSUMDB", "")
	if r := b.run("verify", "--key", public, "example.com/a@v1.0.0").exits(exitOK).says("sumdb=none"); strings.Contains(r.err, "WARNING") {
		t.Errorf("there is no snapshot, which is nothing to warn of:\n%s", r.err)
	}
	reg.Inject(registrytest.Denied().On(http.MethodGet, registrytest.Manifest).For(sumdb.LatestTag))
	b.run("verify", "--key", public, "example.com/a@v1.0.0").exits(exitOK).says("sumdb=none").
		complains("WARNING", "checksum snapshot", "denied")
}
