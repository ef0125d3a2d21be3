package main

import (
	"testing"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/modferry/modferry/artifact/sumdb"
	"github.com/modferry/modferry/cmd/modferry/internal/audit"
	"github.com/modferry/modferry/cmd/modferry/internal/command"
	"github.com/modferry/modferry/registry/verify"
)

// recorded is a bench whose store has example.com/a with evidence from a log, and a snapshot.
func recorded(t *testing.T) (b *bench, log *testLog, public string) {
	t.Helper()
	b = newBench(t)
	private, public := b.keys("cosign")
	b.upstream("example.com/a@v1.0.0", "example.com/a@v1.1.0", "corp.example/p@v1.0.0")
	log = newTestLog(b)
	log.publish(log.grow(10), b.loadSigner(private))
	log.upstream()
	b.run("mirror", "--key", private, "--private", "corp.example", "example.com/a@v1.0.0", "corp.example/p@v1.0.0").exits(command.ExitOK)
	return b, log, public
}

func TestVerifyChecksEvidenceAgainstTheSnapshot(t *testing.T) {
	b, log, public := recorded(t)
	args := []string{"verify", "--key", public, "--sumdb", log.server.Public, "example.com/a@v1.0.0", "corp.example/p@v1.0.0"}
	b.run(args...).exits(command.ExitRefused).says("sumdb=verified\n", "REFUSED  corp.example/p v1.0.0\n").
		complains("corp.example/p@v1.0.0: no record of the checksum database confirms it", "modferry mirror corp.example/p@v1.0.0 ", "--private")
	b.run(append(args, "--allow-unrecorded")...).exits(command.ExitOK).says("sumdb=verified\n", "sumdb=none\n")
	args = append([]string{"verify", "--private", "corp.example"}, args[1:]...)
	b.run(args...).exits(command.ExitOK).says("sumdb=verified\n", "sumdb=none\n")
	got := jsonLines[audit.Verdict](b.run(append(args, "--json")...).exits(command.ExitOK))
	if len(got) != 2 || got[0].SumDB != verify.Verified || got[1].SumDB != verify.None {
		t.Errorf("%+v", got)
	}
	b.run("verify", "--key", public, "example.com/a@v1.0.0").exits(command.ExitOK).says("sumdb=no-snapshot\n")
	b.run("verify", "--key", public, "--sumdb", "off", "example.com/a@v1.0.0").exits(command.ExitUsage).complains("switched off")

	// Same name, another key: whatever the snapshot says, it is not that log's.
	other := newTestLog(b)
	b.run("verify", "--key", public, "--sumdb", other.server.Public, "example.com/a@v1.0.0").exits(command.ExitRefused).complains("signature")
}

func TestVerifySaysWhenTheSnapshotIsTooOldForTheEvidence(t *testing.T) {
	b, log, public := recorded(t)
	store := b.open()
	_, raw, err := store.Manifest(t.Context(), log.Repository(), sumdb.HeadTag(10))
	must(t, err)
	d, _, err := store.Manifest(t.Context(), log.Repository(), sumdb.HeadTag(10))
	must(t, err)
	d.MediaType = ocispec.MediaTypeImageManifest
	must(t, store.PushManifest(t.Context(), log.Repository(), d, raw, sumdb.LatestTag))
	must(t, store.Close())
	b.run("verify", "--key", public, "--sumdb", log.server.Public, "example.com/a@v1.0.0").exits(command.ExitRefused).complains("newer than the checksum snapshot")
	b.run("verify", "--key", public, "--sumdb", log.server.Public, "--allow-unrecorded", "example.com/a@v1.0.0").exits(command.ExitOK).says("sumdb=newer-than-snapshot\n")
}

func TestInspectShowsTheRecord(t *testing.T) {
	b, _, public := recorded(t)
	b.run("inspect", "example.com/a@v1.0.0").exits(command.ExitOK).says("checksum database  record 10\n")
	b.run("inspect", "corp.example/p@v1.0.0").exits(command.ExitOK).says("checksum database  no record\n")
	got := jsonLines[audit.Inspection](b.run("inspect", "--json", "--key", public, "example.com/a@v1.0.0").exits(command.ExitOK))
	if len(got) != 1 || got[0].SumDB == nil || got[0].SumDB.Record != 10 || got[0].SumDB.Apart {
		t.Errorf("%+v", got)
	}
}

func TestInspectShowsEvidenceThatWasAddedLater(t *testing.T) {
	b := newBench(t)
	private, public := b.keys("cosign")
	b.upstream("example.com/a@v1.0.0")
	log := newTestLog(b)
	log.grow(3)
	log.upstream()
	b.run("mirror", "--key", private, "--no-sumdb", "example.com/a@v1.0.0").exits(command.ExitOK)
	b.run("mirror", "--key", private, "example.com/a@v1.0.0").exits(command.ExitOK)
	b.run("inspect", "--key", public, "example.com/a@v1.0.0").exits(command.ExitOK).says("record 3, stored apart from the version\n")
	b.run("verify", "--key", public, "--sumdb", log.server.Public, "example.com/a@v1.0.0").exits(command.ExitOK).says("sumdb=verified\n")
}

// The same versions are private to the shim and to verify, and the same need a record.
func TestWhatNeedsNoRecordIsTheSameForShimAndVerify(t *testing.T) {
	b, log, public := recorded(t)
	all := func(name string) []string {
		return []string{name, "--key", public, "--sumdb", log.server.Public}
	}
	get := []string{"--", "go", "mod", "download", "corp.example/p@v1.0.0"}
	t.Setenv("GOFLAGS", "-modcacherw")
	t.Setenv("GOMODCACHE", t.TempDir())
	t.Setenv("GONOSUMDB", "other.example")
	b.run(append(all("verify"), "corp.example/p@v1.0.0")...).exits(command.ExitRefused)
	b.run(append(all("run"), get...)...).complains("SECURITY: corp.example/p@v1.0.0: no record", "modferry mirror corp.example/p@v1.0.0 ")

	t.Setenv("GONOSUMDB", "corp.example")
	b.run(append(all("verify"), "corp.example/p@v1.0.0")...).exits(command.ExitOK).says("sumdb=none\n")
	b.run(append(all("run"), get...)...).exits(command.ExitOK)
}
