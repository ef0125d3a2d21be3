package main

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/modferry/modferry/cmd/modferry/internal/audit"
	"github.com/modferry/modferry/cmd/modferry/internal/command"
	"github.com/modferry/modferry/registry/remote/registrytest"
)

// Blobs in a registry that have another content of the same size are found by reading them alone.
func TestVerifyRepairPutsBackEveryBlob(t *testing.T) {
	const a, other = "example.com/a@v1.0.0", "example.com/other@v1.0.0"
	for _, kind := range []string{"layout", "registry"} {
		for _, blob := range []string{"config", "meta", "zip"} {
			for _, damage := range []string{"removed", "changed"} {
				t.Run(fmt.Sprintf("%s/%s %s", kind, blob, damage), func(t *testing.T) {
					b := newBench(t)
					private, public := b.keys("cosign")
					reg := registrytest.New(t, registrytest.Options{})
					if kind == "registry" {
						b.env["MODFERRY_REGISTRY"] = reg.Host() + "/golang"
					}
					b.upstream(a, other)
					b.run("mirror", "--key", private, "--no-sumdb", a, other).exits(command.ExitOK)
					if kind == "registry" {
						damageRegistry(b, reg, a, blob, damage == "removed")
					} else {
						b.damage(a, blob, damage == "removed")
					}
					must(t, os.Remove(private))

					b.run("verify", "--key", public, a).exits(command.ExitRefused)
					r := b.run("verify", "--key", public, "--repair", a, other).exits(command.ExitOK).complains("2 of 2 versions verified, 1 of them mended")
					lines := strings.Split(r.out, "\n")
					if !strings.HasPrefix(lines[0], "ok       example.com/a v1.0.0 ") || !strings.HasSuffix(lines[0], " mended") || strings.Contains(lines[1], "mended") {
						t.Errorf("printed\n%s", r.out)
					}
					b.run("verify", "--key", public, a).exits(command.ExitOK)
					if v := jsonLines[audit.Verdict](b.run("verify", "--json", "--repair", "--key", public, a).exits(command.ExitOK)); v[0].Mended {
						t.Errorf("nothing was left to mend: %+v", v[0])
					}
				})
			}
		}
	}
}

// damageRegistry changes or removes a blob of example.com/a in a registry.
func damageRegistry(b *bench, reg *registrytest.Registry, version, blob string, remove bool) {
	b.t.Helper()
	const repo = "golang/example.com/a"
	for _, info := range jsonLines[audit.Inspection](b.run("inspect", "--json", version).exits(command.ExitOK))[0].Blobs {
		if info.Name != blob {
			continue
		}
		if remove {
			must(b.t, reg.RemoveBlob(repo, digest.Digest(info.Digest)))
		} else {
			must(b.t, reg.SetBlob(repo, digest.Digest(info.Digest), make([]byte, info.Size)))
		}
		return
	}
	b.t.Fatalf("%s has no %s", version, blob)
}

func TestVerifyRepairThatCannotMendIsStillARefusal(t *testing.T) {
	const a = "example.com/a@v1.0.0"
	for _, test := range []struct {
		name  string
		spoil func(b *bench)
		says  string
	}{
		{"upstream packed the zip anew", func(b *bench) { repackZip(b.t, b.upstreamFile(a, ".zip")) }, "upstream no longer has what it was made of"},
		{"upstream has it no more", func(b *bench) { must(b.t, os.Remove(b.upstreamFile(a, ".zip"))) }, "not mended: "},
	} {
		t.Run(test.name, func(t *testing.T) {
			b, public := mirrored(t)
			b.damage(a, "config", true) // which could be put back
			b.damage(a, "zip", true)
			test.spoil(b)
			b.run("verify", "--repair", "--key", public, "example.com/a@v1.9.0", a).exits(command.ExitRefused).
				says("ok       example.com/a v1.9.0", "REFUSED  example.com/a v1.0.0").complains(test.says)
			b.run("verify", "--key", public, a).exits(command.ExitRefused)
		})
	}
}

// What nobody trusts is not worth mending.
func TestVerifyRepairMendsNothingThatIsNotTrusted(t *testing.T) {
	const a = "example.com/a@v1.0.0"
	b, public := mirrored(t)
	_, stranger := b.keys("stranger")
	b.damage(a, "zip", true)
	b.run("verify", "--repair", "--key", stranger, a).exits(command.ExitRefused)
	b.run("verify", "--key", public, a).exits(command.ExitRefused).complains("is missing")
}

func TestVerifyRepairTakesAnUpstream(t *testing.T) {
	b, public := mirrored(t)
	delete(b.env, "MODFERRY_UPSTREAM")
	t.Setenv("GOPROXY", "nonsense://x")
	b.run("verify", "--repair", "--key", public, "example.com/a@v1.0.0").exits(command.ExitFailed).complains("set GOPROXY, or give --upstream")
}
