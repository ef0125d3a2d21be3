package main

import (
	"bytes"
	"os"
	"testing"

	"github.com/modferry/modferry/cmd/modferry/internal/bundling"
	"github.com/modferry/modferry/cmd/modferry/internal/command"
)

// scratchFile changes n bytes of a file.
func scratchFile(t *testing.T, name string, from, n int) {
	t.Helper()
	data, err := os.ReadFile(name)
	must(t, err)
	for i := range n {
		data[from+i] ^= 0x55
	}
	must(t, os.WriteFile(name, data, 0o600))
}

func TestParityMakesUpForDamage(t *testing.T) {
	b, public := mirrored(t)
	got := jsonLines[bundling.Report](b.run("bundle", "create", "--key", b.path("cosign.key"), "--parity", "10%", "-o", "all.tar", "--json").exits(command.ExitOK))
	info, err := os.Stat("all.tar.parity")
	must(t, err)
	if len(got) != 1 || got[0].Volumes[0].Parity != info.Size() {
		t.Errorf("%+v, the parity has %d bytes", got, info.Size())
	}
	b.run("bundle", "info", "--check", "all.tar").exits(command.ExitOK).says("parity     not needed")
	whole, err := os.ReadFile("all.tar")
	must(t, err)

	scratchFile(t, "all.tar", 0, len(whole)/12) // its index and list of files are gone
	damaged, err := os.ReadFile("all.tar")
	must(t, err)
	b.run("bundle", "info", "all.tar").exits(command.ExitOK).says("parity     makes up for damage", "volume     1 of 1")
	b.run("bundle", "load", "--key", public, "--registry", "oci:inside", "--work", b.path("work"), "all.tar", "all.tar.parity").exits(command.ExitOK).
		says("loaded   example.com/a v1.0.0").complains("a copy that was repaired by its parity is loaded")
	b.run("verify", "--registry", "oci:inside", "--key", public, "--all").exits(command.ExitOK)
	if now, err := os.ReadFile("all.tar"); err != nil || !bytes.Equal(now, damaged) {
		t.Errorf("the volume was changed: %v", err)
	}
	if left, _ := os.ReadDir(b.path("work")); len(left) > 0 {
		t.Errorf("%v is left", left)
	}

	// Too much is gone: it is loaded as it is, and what is damaged is refused.
	must(t, os.WriteFile("all.tar", whole, 0o600))
	scratchFile(t, "all.tar", len(whole)*3/4, len(whole)/4)
	b.run("bundle", "load", "--key", public, "--registry", "oci:part", "all.tar").exits(command.ExitRefused).complains("too much is lost", "loaded as it is")
}

func TestVolumesFitTogetherWithTheirParity(t *testing.T) {
	b, _ := mirrored(t)
	const size = 120_000
	got := jsonLines[bundling.Report](b.run("bundle", "create", "--key", b.path("cosign.key"), "--parity", "10%", "--volume-size", "120kB", "-o", "all.tar", "--json").exits(command.ExitOK))
	if len(got) != 1 {
		t.Fatalf("%+v", got)
	}
	for _, v := range got[0].Volumes {
		info, err := os.Stat(v.File)
		must(t, err)
		if v.Parity == 0 || info.Size()+v.Parity > size {
			t.Errorf("%s has %d bytes, and parity of %d", v.File, info.Size(), v.Parity)
		}
	}
}

func TestHowNotToAskForParity(t *testing.T) {
	b, _ := mirrored(t)
	for _, args := range [][]string{
		{"--parity", "10", "-o", "all.tar"}, {"--parity", "0%", "-o", "all.tar"}, {"--parity", "200%", "-o", "all.tar"}, {"--parity", "10%", "-o", "directory"}, {"--parity", "10%", "-o", "-"},
	} {
		b.run(append([]string{"bundle", "create", "--no-sign"}, args...)...).exits(command.ExitUsage).complains("--parity")
	}
}
