package main

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/cmd/modferry/internal/command"
)

func TestKeygenWritesAPairThatCosignCanRead(t *testing.T) {
	b := newBench(t)
	b.run("keygen", "--output-key-prefix", b.path("cosign")).exits(command.ExitOK)
	private, public := b.path("cosign.key"), b.path("cosign.pub")
	for name, want := range map[string]string{private: "BEGIN ENCRYPTED SIGSTORE PRIVATE KEY", public: "BEGIN PUBLIC KEY"} {
		data, err := os.ReadFile(name)
		must(t, err)
		if !strings.Contains(string(data), want) {
			t.Errorf("%s lacks %q", name, want)
		}
	}
	info, err := os.Stat(private)
	must(t, err)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode of the private key is %v", info.Mode())
	}
	_, err = sign.LoadSigner(private, func() ([]byte, error) { return []byte("correct horse"), nil })
	must(t, err)
}

func TestKeygenNeverOverwrites(t *testing.T) {
	b := newBench(t)
	private, public := b.keys("cosign")
	before, err := os.ReadFile(private)
	must(t, err)
	b.run("keygen", "--output-key-prefix", b.path("cosign")).exits(command.ExitFailed).complains(private, "hint:")
	after, err := os.ReadFile(private)
	must(t, err)
	if !bytes.Equal(before, after) {
		t.Error("the private key was changed")
	}
	must(t, os.Remove(private))
	b.run("keygen", "--output-key-prefix", b.path("cosign")).exits(command.ExitFailed).complains(public)
	if _, err := os.Stat(private); !os.IsNotExist(err) {
		t.Errorf("half a pair was written: %v", err)
	}
}

func TestKeygenWithoutAPasswordAndWithoutATerminalAsksForTheVariable(t *testing.T) {
	b := newBench(t)
	delete(b.env, "COSIGN_PASSWORD")
	b.run("keygen", "--output-key-prefix", b.path("cosign")).exits(command.ExitFailed).complains("COSIGN_PASSWORD")
	b.env["COSIGN_PASSWORD"] = ""
	b.run("keygen", "--output-key-prefix", b.path("cosign")).exits(command.ExitOK)
}

func TestKeygenIntoAMissingDirectoryLeavesNothing(t *testing.T) {
	b := newBench(t)
	b.run("keygen", "--output-key-prefix", b.path("missing", "cosign")).exits(command.ExitFailed).complains(b.path("missing", "cosign.key"))
}
