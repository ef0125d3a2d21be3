package main

import (
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/modferry/modferry/cmd/modferry/internal/command"
	"github.com/modferry/modferry/registry/inventory"
	"github.com/modferry/modferry/registry/remote/registrytest"
)

func TestAnInventoryIsSignedAndChecked(t *testing.T) {
	b, _ := mirrored(t)
	private, public := b.keys("inside")
	b.run("inventory", "--sign-key", private, "--output", "inside.txt").exits(command.ExitOK).complains("3 repositories, 5 tags: sha256:")
	b.run("inventory", "--check", "inside.txt", "--key", public).exits(command.ExitOK).says("sha256:", "3 repositories, 5 tags")

	text, err := os.ReadFile("inside.txt")
	must(t, err)
	b.run("inventory").exits(command.ExitOK).prints(string(text))
	b.run("inventory", "--format", "json", "-o", "inside.json").exits(command.ExitOK)
	fromText, err := inventory.ReadFile("inside.txt", nil)
	must(t, err)
	fromJSON, err := inventory.ReadFile("inside.json", nil)
	must(t, err)
	if fromText.Digest() != fromJSON.Digest() {
		t.Error("the digest depends on the format")
	}

	_, stranger := b.keys("stranger")
	b.run("inventory", "--check", "inside.txt", "--key", stranger).exits(command.ExitRefused).complains("no trusted signature")
	b.run("bundle", "create", "--key", private, "--since", "inside.txt", "--since-key", stranger, "--output", "a.tar").exits(command.ExitRefused)
	b.run("inventory", "--check", "inside.json", "--key", public).exits(command.ExitFailed).complains("inside.json.sig")
	must(t, os.WriteFile("inside.txt", text[:len(text)-1], 0o600))
	b.run("inventory", "--check", "inside.txt").exits(command.ExitFailed).complains("cut off")
}

func TestHowNotToCallInventory(t *testing.T) {
	b, _ := mirrored(t)
	private, _ := b.keys("inside")
	b.run("inventory", "--format", "xml").exits(command.ExitUsage).complains("text and json")
	b.run("inventory", "--sign-key", private).exits(command.ExitUsage).complains("--output")
	b.env["MODFERRY_SIGN_KEY"] = private // which mirror is to sign with
	b.run("inventory").exits(command.ExitOK).says("example.com/a")
	delete(b.env, "MODFERRY_SIGN_KEY")
	b.run("inventory", "--registry", "corp.example=oci:a,oci:b").exits(command.ExitUsage).complains("one store at a time")
	b.run("inventory", "--registry", "oci:nowhere").exits(command.ExitFailed).complains("nowhere")
}

func TestAnInventoryIsWholeOrNotWritten(t *testing.T) {
	b := newBench(t)
	reg := registrytest.New(t, registrytest.Options{})
	b.env["MODFERRY_REGISTRY"] = reg.Host() + "/golang"
	b.upstream("example.com/a@v1.0.0", "example.com/b@v1.0.0")
	b.run("mirror", "--no-sign", "example.com/a@v1.0.0", "example.com/b@v1.0.0").exits(command.ExitOK)
	reg.Inject(registrytest.Answer(http.StatusPreconditionFailed, "PROJECTPOLICYVIOLATION", "vulnerable").For("v1.0.0").On("", registrytest.Manifest))
	got := b.run("inventory", "--output", "inside.txt").exits(command.ExitItems).complains("golang/example.com/", "vulnerable", "--incomplete")
	if _, err := os.Stat("inside.txt"); err == nil || got.out != "" {
		t.Errorf("half an inventory was written: %v\n%s", err, got.out)
	}
	reg.Heal()
	reg.Inject(registrytest.Denied().On(http.MethodHead, registrytest.Manifest).For("v1.0.0").Times(1))
	reg.Inject(registrytest.Denied().On(http.MethodGet, registrytest.Manifest).For("v1.0.0").Times(1))
	got = b.run("inventory", "--incomplete", "--jobs", "1").exits(command.ExitItems).complains("could not be listed")
	if strings.Contains(got.out, "example.com/a ") || !strings.Contains(got.out, "example.com/b ") {
		t.Errorf("%s", got.out)
	}
}
