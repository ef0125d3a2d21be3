package main

import (
	"archive/zip"
	"bytes"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/mod/module"
	"golang.org/x/mod/sumdb/dirhash"

	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/cmd/modferry/internal/audit"
	"github.com/modferry/modferry/cmd/modferry/internal/command"
	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/remote"
	"github.com/modferry/modferry/registry/remote/registrytest"
	"github.com/modferry/modferry/registry/stores"
)

// mirrored returns a bench whose store has example.com/a at v1.0.0, v1.10.0 and v1.9.0, signed, and of
// example.com/Dep v1.0.0 the go.mod only; and the name of the public key.
func mirrored(t *testing.T) (b *bench, public string) {
	t.Helper()
	b = newBench(t)
	private, public := b.keys("cosign")
	b.upstream("example.com/a@v1.0.0", "example.com/a@v1.10.0", "example.com/a@v1.9.0", "example.com/Dep@v1.0.0")
	sum := b.write("dep.sum", "example.com/Dep v1.0.0/go.mod "+b.goModSum("example.com/Dep@v1.0.0")+"\n")
	b.run("mirror", "--key", private, "example.com/a@v1.0.0", "example.com/a@v1.10.0", "example.com/a@v1.9.0", sum).
		exits(command.ExitOK).says("4 new, 0 existing, 0 failed")
	return b, public
}

func (b *bench) goModSum(arg string) string {
	b.t.Helper()
	sum, err := dirhash.Hash1([]string{"go.mod"}, func(string) (io.ReadCloser, error) { return os.Open(b.upstreamFile(arg, ".mod")) })
	must(b.t, err)
	return sum
}

func (b *bench) zipSum(arg string) string {
	b.t.Helper()
	sum, err := dirhash.HashZip(b.upstreamFile(arg, ".zip"), dirhash.Hash1)
	must(b.t, err)
	return sum
}

func (b *bench) upstreamFile(arg, ext string) string {
	path, version, _ := strings.Cut(arg, "@")
	escaped, err := module.EscapePath(path)
	must(b.t, err)
	return b.path("upstream", filepath.FromSlash(escaped), "@v", version+ext)
}

func TestListPrintsPathAndVersionInOrder(t *testing.T) {
	b, _ := mirrored(t)
	b.run("list").exits(command.ExitOK).prints("example.com/Dep v1.0.0 mod-only\nexample.com/a v1.0.0\nexample.com/a v1.9.0\nexample.com/a v1.10.0\n")
	b.run("list", "--full").exits(command.ExitOK).prints("example.com/a v1.0.0\nexample.com/a v1.9.0\nexample.com/a v1.10.0\n")
	b.run("list", "example.com/Dep").exits(command.ExitOK).prints("example.com/Dep v1.0.0 mod-only\n")
	got := jsonLines[audit.Line](b.run("list", "example.com/a", "--json").exits(command.ExitOK))
	if len(got) != 3 || got[2] != (audit.Line{Module: "example.com/a", Version: "v1.10.0"}) {
		t.Errorf("list --json: %v", got)
	}
}

func TestListOfWhatIsNotThereFails(t *testing.T) {
	b, _ := mirrored(t)
	b.run("list", "example.com/none").exits(command.ExitItems).complains("example.com/none")
	b.run("list", "--registry", "corp.example=oci:"+b.path("store")+",none", "example.com/a").exits(command.ExitItems).complains("example.com/a")
	b.run("list", "--registry", "oci:"+b.path("nowhere"), "example.com/a").exits(command.ExitFailed).complains(b.path("nowhere"))
}

func TestListShowsOnlyModulesThatAreRoutedToTheirStore(t *testing.T) {
	b, _ := mirrored(t)
	b.run("list", "--registry", "example.com/a=oci:"+b.path("store")+",oci:"+b.path("empty"), "example.com/a").exits(command.ExitOK).says("v1.0.0")
}

// strange puts a version's manifest under tag into a repository that is named by the hash of another module path.
func (b *bench) strange(tag string) (repo string) {
	b.t.Helper()
	repo = "example.com/long_z" + strings.Repeat("0", 64)
	store := b.open()
	d, raw, err := store.Manifest(b.t.Context(), "example.com/a", "v1.0.0")
	must(b.t, err)
	must(b.t, store.PushManifest(b.t.Context(), repo, d, raw, tag))
	must(b.t, store.Close())
	return repo
}

func TestARepositoryThatTellsNoPathIsNamedAtTheEnd(t *testing.T) {
	const versions = "example.com/Dep v1.0.0 mod-only\nexample.com/a v1.0.0\nexample.com/a v1.9.0\nexample.com/a v1.10.0\n"
	for _, test := range []struct {
		name, tag, why string
		verify         int
	}{
		{"no version", "latest", "it has no version", command.ExitItems},
		{"a version of another module", "v1.0.0", "example.com/a@v1.0.0", command.ExitRefused},
	} {
		t.Run(test.name, func(t *testing.T) {
			b, public := mirrored(t)
			repo := b.strange(test.tag)
			b.run("list").exits(command.ExitItems).prints(versions).complains(repo, test.why, "1 of the store's repositories could not be read")
			verified := b.run("verify", "--key", public, "--all").exits(test.verify).complains(repo, test.why)
			if n := strings.Count(verified.out, "ok  "); n != 4 {
				t.Errorf("%d versions verified, want 4:\n%s", n, verified.out)
			}
			b.run("list", "example.com/a").exits(command.ExitOK)
		})
	}
}

func TestARepositoryThatCannotBeReadIsNamedAtTheEnd(t *testing.T) {
	b := newBench(t)
	reg := registrytest.New(t, registrytest.Options{})
	b.env["MODFERRY_REGISTRY"] = reg.Host() + "/golang"
	b.upstream("example.com/a@v1.0.0", "example.com/b@v1.0.0", "example.com/c@v1.0.0")
	b.run("mirror", "--no-sign", "example.com/a@v1.0.0", "example.com/b@v1.0.0", "example.com/c@v1.0.0").exits(command.ExitOK)
	for _, line := range []string{"list", "verify --all --insecure-skip-verify"} {
		reg.Inject(registrytest.Denied().On(http.MethodGet, registrytest.Tags).Times(2)) // of the index, and of the first module
		got := b.run(strings.Fields(line)...).exits(command.ExitItems).says("example.com/b v1.0.0", "example.com/c v1.0.0").
			complains("golang/example.com/a", "denied", "could not be read")
		if strings.Contains(got.out, "example.com/a ") {
			t.Errorf("%s printed what could not be read:\n%s", line, got.out)
		}
	}
}

func TestAListingEndsWhenTheRegistryIsDown(t *testing.T) {
	b := newBench(t)
	reg := registrytest.New(t, registrytest.Options{})
	b.env["MODFERRY_REGISTRY"] = reg.Host() + "/golang"
	modules := []string{"example.com/a@v1.0.0", "example.com/b@v1.0.0", "example.com/c@v1.0.0"}
	b.upstream(modules...)
	b.run(append([]string{"mirror", "--no-sign"}, modules...)...).exits(command.ExitOK)
	client, err := remote.NewClient(remote.ClientOptions{Retries: -1})
	must(t, err)
	stores, err := stores.Route(client, reg.Host()+"/golang")
	must(t, err)
	reg.Inject(registrytest.ServiceUnavailable().On(http.MethodGet, registrytest.Tags))
	reg.Inject(registrytest.Answer(http.StatusNotFound, "NAME_UNKNOWN", "no index").On(http.MethodGet, registrytest.Tags).Times(1))
	reg.Reset()
	lister := &audit.Lister{Stores: stores, Verifier: sign.SkipVerify{}}
	broken, err := lister.Each(t.Context(), func(path string, _ []registry.Listed) error {
		t.Errorf("listed %s", path)
		return nil
	})
	if len(broken) != 1 || !errors.Is(err, registry.ErrUnavailable) {
		t.Errorf("broken: %v; error: %v; want one of each", broken, err)
	}
	if n := reg.Count(http.MethodGet, registrytest.Tags); n != 3 {
		t.Errorf("%d repositories were asked for, want the index and 2 modules", n)
	}
}

func TestRefNeedsNoStore(t *testing.T) {
	b := newBench(t)
	b.env["MODFERRY_REGISTRY"] = "corp.example=harbor.example/private,harbor.example/golang"
	b.run("ref", "github.com/BurntSushi/toml@v1.3.2", "corp.example/lib", "example.com/x@v2.0.0+incompatible").exits(command.ExitOK).prints(
		"harbor.example/golang/github.com/burntsushi_u4u/toml:v1.3.2\n" +
			"harbor.example/private/corp.example/lib\n" +
			"harbor.example/golang/example.com/x:v2.0.0_incompatible\n")
	b.stdin = "example.com/a\n\n  example.com/b@v1.0.0\n"
	b.run("ref", "-").exits(command.ExitOK).prints("harbor.example/golang/example.com/a\nharbor.example/golang/example.com/b:v1.0.0\n")
}

func TestInspectShowsDigestsSumsAndSignatures(t *testing.T) {
	b, public := mirrored(t)
	b.run("inspect", "example.com/a@v1.0.0").exits(command.ExitOK).
		says("sha256:", b.zipSum("example.com/a@v1.0.0"), b.goModSum("example.com/a@v1.0.0"), "example.com/a:v1.0.0", "not checked", "2024-05-01T12:00:00Z")
	b.run("inspect", "example.com/a@v1.0.0", "--key", public).exits(command.ExitOK).says("valid, key ")
	_, stranger := b.keys("stranger")
	b.run("inspect", "example.com/a@v1.0.0", "--key", stranger).exits(command.ExitOK).says("NOT accepted")

	got := jsonLines[audit.Inspection](b.run("inspect", "--json", "--key", public, "example.com/Dep@v1.0.0").exits(command.ExitOK))
	if len(got) != 1 || !got[0].ModOnly || got[0].Sum != "" || got[0].GoModSum != b.goModSum("example.com/Dep@v1.0.0") ||
		len(got[0].Signatures) != 1 || got[0].Signatures[0].KeyID == "" {
		t.Errorf("inspect --json: %+v", got)
	}
}

func TestInspectOfWhatIsNotThereFails(t *testing.T) {
	b, _ := mirrored(t)
	b.run("inspect", "example.com/a@v1.0.1").exits(command.ExitFailed).complains("example.com/a", "v1.0.1")
}

func TestVerifyAcceptsWhatATrustedKeySigned(t *testing.T) {
	b, public := mirrored(t)
	b.run("verify", "--key", public, "example.com/a@v1.0.0").exits(command.ExitOK).says("ok       example.com/a v1.0.0")
	got := jsonLines[audit.Verdict](b.run("verify", "--key", public, "--all", "--json").exits(command.ExitOK))
	if len(got) != 4 || got[0].Module != "example.com/Dep" || !got[0].ModOnly || len(got[3].Keys) != 1 {
		t.Errorf("verify --all --json: %+v", got)
	}
}

func TestVerifyRefusesWhatNoTrustedKeySigned(t *testing.T) {
	b, public := mirrored(t)
	_, stranger := b.keys("stranger")
	b.run("verify", "--key", stranger, "example.com/a@v1.0.0", "example.com/none@v1.0.0").exits(command.ExitRefused).
		says("REFUSED  example.com/a v1.0.0", "FAILED   example.com/none v1.0.0").complains("example.com/a@v1.0.0: ", "example.com/none@v1.0.0: ")
	b.env["MODFERRY_REGISTRY"] = "oci:" + b.path("unsigned")
	b.run("mirror", "--no-sign", "example.com/a@v1.0.0").exits(command.ExitOK)
	b.run("verify", "--key", public, "example.com/a@v1.0.0").exits(command.ExitRefused).complains("example.com/a@v1.0.0")
	b.run("verify", "--insecure-skip-verify", "example.com/a@v1.0.0").exits(command.ExitOK).complains("signatures are NOT verified")
}

func TestVerifyOfWhatIsMissingIsAFailureAndNoRefusal(t *testing.T) {
	b, public := mirrored(t)
	b.run("verify", "--key", public, "example.com/a@v1.0.0", "example.com/a@v1.0.1").exits(command.ExitItems).
		says("ok       example.com/a v1.0.0", "FAILED   example.com/a v1.0.1").complains("example.com/a@v1.0.1")
}

func TestVerifyComparesWithTheLinesOfAGoSum(t *testing.T) {
	b, public := mirrored(t)
	const a = "example.com/a@v1.0.0"
	good := "example.com/a v1.0.0 " + b.zipSum(a) + "\nexample.com/a v1.0.0/go.mod " + b.goModSum(a) + "\n" +
		"example.com/Dep v1.0.0/go.mod " + b.goModSum("example.com/Dep@v1.0.0") + "\n"
	b.run("verify", "--key", public, b.write("go.sum", good)).exits(command.ExitOK).says("example.com/a v1.0.0", "example.com/Dep v1.0.0 mod-only")

	other := strings.ReplaceAll(good, b.zipSum(a), b.goModSum(a))
	b.run("verify", "--key", public, b.write("go.sum", other)).exits(command.ExitRefused).says("REFUSED  example.com/a v1.0.0").complains(b.zipSum(a), b.goModSum(a))

	needsZip := "example.com/Dep v1.0.0 " + b.zipSum("example.com/Dep@v1.0.0") + "\n"
	b.run("verify", "--key", public, b.write("go.sum", needsZip)).exits(command.ExitItems).complains("only the go.mod")
	b.run("verify", "--key", public, b.write("go.sum", "nonsense\n")).exits(command.ExitUsage).complains("go.sum:1")
}

// damage changes or removes a blob of a version in the store of b: "config", "meta" or "zip".
func (b *bench) damage(version, blob string, remove bool) {
	b.t.Helper()
	got := jsonLines[audit.Inspection](b.run("inspect", "--json", version).exits(command.ExitOK))
	for _, info := range got[0].Blobs {
		if info.Name != blob {
			continue
		}
		file := b.path("store", "blobs", "sha256", strings.TrimPrefix(info.Digest, "sha256:"))
		data, err := os.ReadFile(file)
		must(b.t, err)
		must(b.t, os.Remove(file))
		if !remove {
			data[len(data)/2] ^= 1
			must(b.t, os.WriteFile(file, data, 0o600))
		}
	}
}

func TestADamagedStoreIsFoundAndMended(t *testing.T) {
	const a = "example.com/a@v1.0.0"
	for _, blob := range []string{"config", "meta", "zip"} {
		for _, remove := range []bool{true, false} {
			b, public := mirrored(t)
			b.damage(a, blob, remove)
			b.run("verify", "--key", public, a).exits(command.ExitRefused).says("REFUSED  example.com/a v1.0.0").
				complains("verify --repair " + a).complains("0 of 1 versions verified")
			mirror := []string{"mirror", "--key", b.path("cosign.key"), "--no-sumdb", a}
			b.run(mirror...).exits(command.ExitOK).says("0 new, 1 existing, 0 failed")
			b.run(append(mirror, "--verify", "--dry-run")...).exits(command.ExitOK).says("1 mended")
			b.run("verify", "--key", public, a).exits(command.ExitRefused)
			b.run(append(mirror, "--verify")...).exits(command.ExitOK).says("0 new, 0 existing, 1 mended, 0 failed").complains("mended   " + a)
			b.run("verify", "--key", public, a).exits(command.ExitOK)
			b.run(append(mirror, "--verify")...).exits(command.ExitOK).says("0 new, 1 existing, 0 failed")
		}
	}
}

func TestWhatIsMendedIsSignedAsWell(t *testing.T) {
	const a = "example.com/a@v1.0.0"
	b, _ := mirrored(t)
	private, public := b.keys("second")
	b.damage(a, "zip", true)
	b.run("mirror", "--verify", "--key", private, "--no-sumdb", a).exits(command.ExitOK)
	b.run("verify", "--key", public, a).exits(command.ExitOK)
}

// The zip of upstream has the same sum, and other bytes: it was packed anew.
func TestWhatUpstreamNoLongerHasMendsNothing(t *testing.T) {
	const a = "example.com/a@v1.0.0"
	b, public := mirrored(t)
	b.damage(a, "zip", true)
	repackZip(t, b.upstreamFile(a, ".zip"))
	b.run("mirror", "--verify", "--key", b.path("cosign.key"), "--no-sumdb", a).exits(command.ExitItems).complains("nothing was changed")
	b.run("verify", "--key", public, a).exits(command.ExitRefused)
}

// repackZip writes a zip file anew with one file less compressed, so that its sum is the same and its bytes are not.
func repackZip(t *testing.T, name string) {
	t.Helper()
	old, err := zip.OpenReader(name)
	must(t, err)
	var buf bytes.Buffer
	w := zip.NewWriter(&buf)
	for _, f := range old.File {
		to, err := w.CreateHeader(&zip.FileHeader{Name: f.Name, Method: zip.Store})
		must(t, err)
		from, err := f.Open()
		must(t, err)
		_, err = io.Copy(to, from)
		must(t, err)
	}
	must(t, w.Close())
	must(t, old.Close())
	must(t, os.WriteFile(name, buf.Bytes(), 0o600))
}
