package main

import (
	"os"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/artifact/sign/signtest"
	"github.com/modferry/modferry/artifact/sign/sigstoretest"
	"github.com/modferry/modferry/cmd/modferry/internal/command"
	"github.com/modferry/modferry/registry/ocilayout"
	"github.com/modferry/modferry/registry/remote/registrytest"
)

func TestMain(m *testing.M) {
	signtest.Main()
	os.Exit(m.Run())
}

// result of sign --json.
type signed struct{ Kind, Name, Status, Error string }

func TestSignAddsANewKeyToEverythingThatIsTrusted(t *testing.T) {
	b, old := mirrored(t)
	next, public := b.keys("next")
	sign := []string{"sign", "--key", next, "--verify-key", old, "--all"}
	const list = "would    example.com/Dep@v1.0.0 mod-only\nwould    example.com/a@v1.0.0\nwould    example.com/a@v1.9.0\nwould    example.com/a@v1.10.0\n"
	b.run(append(sign, "--dry-run")...).exits(command.ExitOK).says(list, "(index)").complains("5 would be signed, 0 had the signature")
	b.run("verify", "--key", public, "--all").exits(command.ExitRefused)
	b.run(sign...).exits(command.ExitOK).says(strings.ReplaceAll(list, "would ", "signed")).complains("5 signed, 0 had the signature")
	b.run(sign...).exits(command.ExitOK).complains("0 signed, 5 had the signature")
	b.run("verify", "--key", public, "--all").exits(command.ExitOK)
	b.run("verify", "--key", old, "--all").exits(command.ExitOK)
	for _, r := range jsonLines[signed](b.run(append(sign, "--json")...).exits(command.ExitOK)) {
		if r.Status != "exists" || r.Kind != "version" && r.Kind != "index" || r.Error != "" {
			t.Errorf("%+v", r)
		}
	}
}

func TestSignDoesNotSignWhatIsNotTrusted(t *testing.T) {
	b, _ := mirrored(t)
	next, public := b.keys("next")
	_, stranger := b.keys("stranger")
	b.run("sign", "--key", next, "--verify-key", stranger, "example.com/a@v1.0.0").exits(command.ExitRefused).
		says("REFUSED  example.com/a@v1.0.0").complains("no trusted signature", "0 signed")
	b.run("sign", "--key", next, "--verify-key", stranger, "example.com/none@v1.0.0").exits(command.ExitItems).says("FAILED   example.com/none@v1.0.0")
	b.run("verify", "--key", public, "example.com/a@v1.0.0").exits(command.ExitRefused)
}

func TestSignOfASelection(t *testing.T) {
	b, old := mirrored(t)
	next, public := b.keys("next")
	b.stdin = "example.com/a v1.0.0\n"
	for _, args := range [][]string{{"-"}, {"--all", "--pattern", "example.com/a@>v1.0.0,<v1.10.0"}} {
		b.run(append([]string{"sign", "--key", next, "--verify-key", old}, args...)...).exits(command.ExitOK).complains("1 signed, 0 had")
	}
	b.run("verify", "--key", public, "example.com/a@v1.0.0", "example.com/a@v1.9.0").exits(command.ExitOK)
	b.run("verify", "--key", public, "example.com/a@v1.10.0").exits(command.ExitRefused)
	for line, want := range map[string]string{
		"sign --key next.key --verify-key cosign.pub":                                     "sign needs",
		"sign --key next.key --verify-key cosign.pub --all example.com/a@v1.0.0":          "sign needs",
		"sign --key next.key --verify-key cosign.pub --pattern x.example/** x.example@v1": "--pattern needs --all",
		"sign --key next.key --verify-key cosign.pub --all --pattern @@":                  "--pattern",
		"sign --key next.key --all":                                                       "--verify-key is needed, or --policy",
		"sign --verify-key cosign.pub --all":                                              "--key is needed",
		"sign --key next.key --verify-key cosign.pub --all --signature-format pgp":        "classic, bundle or both",
	} {
		b.run(strings.Fields(line)...).exits(command.ExitUsage).complains(want)
	}
}

func TestFormatsOfSignatures(t *testing.T) {
	b := newBench(t)
	private, public := b.keys("cosign")
	reg := registrytest.New(t, registrytest.Options{})
	reg.Inject(registrytest.NoReferrers())
	b.env["MODFERRY_REGISTRY"] = reg.Host() + "/golang"
	b.upstream("example.com/a@v1.0.0")
	b.run("mirror", "--key", private, "--no-sumdb", "--signature-format", "bundle", "example.com/a@v1.0.0").exits(command.ExitOK)
	b.run("mirror", "--key", private, "--no-sumdb", "--signature-format", "bundle", "example.com/a@v1.0.0").exits(command.ExitOK)
	b.run("verify", "--key", public, "--json", "--all").exits(command.ExitOK).says(`"signatures":[{"format":"bundle","signer":"sha256:`)
	b.run("sign", "--key", private, "--verify-key", public, "--all").exits(command.ExitOK).says("signed   example.com/a@v1.0.0")
	b.run("verify", "--key", public, "--json", "--all").exits(command.ExitOK).says(`"signatures":[{"format":"classic"`)
	_, stranger := b.keys("stranger")
	b.run("verify", "--key", stranger, "--json", "example.com/a@v1.0.0").exits(command.ExitRefused).says(
		`{"format":"classic","counts":false,"why":"not by a trusted key"},{"format":"bundle","counts":false,"why":"not by a trusted key"}`)
}

func TestKeyInAKeyManagementService(t *testing.T) {
	b := newBench(t)
	uri := signtest.KMS(t)
	b.upstream("example.com/a@v1.0.0")
	b.run("mirror", "--key", uri, "--no-sumdb", "example.com/a@v1.0.0").exits(command.ExitOK).says("1 new")
	b.run("verify", "--key", uri, "--all").exits(command.ExitOK)
	next, public := b.keys("next")
	b.run("sign", "--key", next, "--verify-key", uri, "--all").exits(command.ExitOK)
	b.run("verify", "--key", public, "--all").exits(command.ExitOK)
	b.run("sign", "--key", uri+"?locked", "--verify-key", uri, "--signature-format", "bundle", "example.com/a@v1.0.0").exits(command.ExitItems).
		complains("the vault is locked")
	b.run("mirror", "--key", "nokms://key", "example.com/a@v1.0.0").exits(command.ExitFailed).complains("sigstore-kms-nokms")
}

func TestIdentityOfATrustedRoot(t *testing.T) {
	b := newBench(t)
	const subject, issuer = "release@corp.example", "https://login.corp.example"
	all := sigstoretest.Parts{Log: true, Timestamps: true}
	authority := sigstoretest.New(t)
	root := b.path("trusted_root.json")
	authority.WriteRoot(root, all)
	b.upstream("example.com/a@v1.0.0")
	b.run("mirror", "--no-sign", "--no-sumdb", "example.com/a@v1.0.0").exits(command.ExitOK)
	countersignWith(t, b.path("store"), module.Version{Path: "example.com/a", Version: "v1.0.0"}, func(d digest.Digest) sign.Signature {
		return authority.Bundle(subject, issuer, sigstoretest.Statement(d, "https://sigstore.dev/cosign/sign/v1"), all)
	})
	verify := func(o ...string) result {
		return b.run(append(append([]string{"verify"}, o...), "--json", "example.com/a@v1.0.0")...)
	}
	verify("--trusted-root", root, "--certificate-identity", subject, "--certificate-oidc-issuer", issuer).exits(command.ExitOK).
		says(`"signatures":[{"format":"bundle","signer":"` + subject + " (" + issuer + `)"`)
	verify("--trusted-root", root, "--certificate-identity-regexp", ".*@corp[.]example", "--certificate-oidc-issuer-regexp", ".*").exits(command.ExitOK)
	verify("--trusted-root", root, "--certificate-identity", "intern@corp.example", "--certificate-oidc-issuer", issuer).exits(command.ExitRefused).
		says("not by the trusted identity intern@corp.example")
	verify("--trusted-root", root, "--certificate-identity", subject).exits(command.ExitFailed).complains("either the issuer")
	verify("--certificate-identity", subject).exits(command.ExitUsage).complains("--trusted-root is needed")
	next, public := b.keys("next")
	b.run("sign", "--key", next, "--trusted-root", root, "--certificate-identity", subject, "--certificate-oidc-issuer", issuer, "--all").exits(command.ExitOK)
	verify("--key", public).exits(command.ExitOK)
}

// countersignWith attaches a bundle to a version in a layout.
func countersignWith(t *testing.T, dir string, m module.Version, with func(digest.Digest) sign.Signature) {
	t.Helper()
	s, err := ocilayout.Open(dir)
	must(t, err)
	found, err := s.Find(t.Context(), m)
	must(t, err)
	image, err := sign.Referrer(found.Descriptor, with(found.Descriptor.Digest))
	must(t, err)
	for _, blob := range image.Blobs {
		must(t, s.PushBlob(t.Context(), found.Repository, blob))
	}
	must(t, s.PushManifest(t.Context(), found.Repository, image.Descriptor, image.Raw, ""))
	must(t, s.Close())
}
