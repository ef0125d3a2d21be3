package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"github.com/modferry/modferry/cmd/modferry/internal/command"
)

func TestMirrorIsIdempotentAndSumsUp(t *testing.T) {
	b := newBench(t)
	private, _ := b.keys("cosign")
	b.upstream("example.com/a@v1.0.0", "example.com/b@v1.0.0")
	b.run("mirror", "--key", private, "example.com/a@v1.0.0").exits(command.ExitOK).says("1 new, 0 existing, 0 failed, ").complains("new      example.com/a@v1.0.0")
	b.run("mirror", "--key", private, "example.com/a@v1.0.0", "example.com/b@latest").exits(command.ExitOK).says("1 new, 1 existing, 0 failed, ")
}

// The go command chooses the newest release of a list, whatever platform it is there for.
func TestAToolchainThatOtherPlatformsLackIsWarnedOf(t *testing.T) {
	b := newBench(t)
	private, _ := b.keys("cosign")
	const linux, windows, newer = "golang.org/toolchain@v0.0.1-go1.27.4.linux-amd64", "golang.org/toolchain@v0.0.1-go1.27.4.windows-amd64",
		"golang.org/toolchain@v0.0.1-go1.27.9.windows-amd64"
	b.upstream(linux, windows, newer)
	if r := b.run("mirror", "--key", private, linux, windows).exits(command.ExitOK); strings.Contains(r.err, "WARNING") {
		t.Errorf("both have the same:\n%s", r.err)
	}
	b.run("mirror", "--key", private, newer).exits(command.ExitOK).
		complains("go1.27.9 is there, and not for linux/amd64, where older ones are", "--platform linux/amd64")
}

func TestMirrorGoesOnAfterABadVersionAndNamesIt(t *testing.T) {
	b := newBench(t)
	private, _ := b.keys("cosign")
	b.upstream("example.com/a@v1.0.0")
	b.run("mirror", "--key", private, "example.com/missing@v1.0.0", "example.com/a@v1.0.0", "nodots@v1.0.0").exits(command.ExitItems).
		says("1 new, 0 existing, 2 failed").complains("example.com/missing@v1.0.0", "nodots@v1.0.0")
	b.run("list").exits(command.ExitOK).prints("example.com/a v1.0.0\n")
}

func TestMirrorDryRunChangesNothingAndNeedsNoKey(t *testing.T) {
	b := newBench(t)
	b.upstream("example.com/a@v1.0.0")
	b.run("mirror", "--dry-run", "example.com/a@v1.0.0").exits(command.ExitOK).says("1 to be mirrored, 0 existing, 0 failed")
	if _, err := os.Stat(b.path("store")); !os.IsNotExist(err) {
		t.Errorf("the store was created: %v", err)
	}
}

func TestMirrorJSONHasAnEventForEachVersionAndASummary(t *testing.T) {
	b := newBench(t)
	private, _ := b.keys("cosign")
	b.upstream("example.com/a@v1.0.0")
	r := b.run("mirror", "--key", private, "--json", "example.com/a@v1.0.0", "example.com/missing@v1.0.0").exits(command.ExitItems)
	r.says(`"status":"new"`, `"status":"failed"`, `"example.com/missing"`)
	lines := jsonLines[map[string]json.RawMessage](r)
	if len(lines) != 3 || lines[2]["summary"] == nil {
		t.Errorf("want two events and a summary:\n%s", r.out)
	}
}

func TestMirrorWithASecondKeyAddsASignature(t *testing.T) {
	b := newBench(t)
	private, public := b.keys("cosign")
	other, otherPublic := b.keys("other")
	b.upstream("example.com/a@v1.0.0")
	b.run("mirror", "--key", private, "example.com/a@v1.0.0").exits(command.ExitOK)
	b.run("mirror", "--key", other, "example.com/a@v1.0.0").exits(command.ExitOK).says("0 new, 0 existing, 1 signed, 0 failed")
	b.run("verify", "--key", public, "example.com/a@v1.0.0").exits(command.ExitOK)
	b.run("verify", "--key", otherPublic, "example.com/a@v1.0.0").exits(command.ExitOK)
}

func TestMirrorReadsAListFromStandardInput(t *testing.T) {
	b := newBench(t)
	b.upstream("example.com/a@v1.0.0")
	b.stdin = "# wanted inside\nexample.com/a@v1.0.0\n"
	b.run("mirror", "--no-sign", "-").exits(command.ExitOK).says("1 new")
}

func TestMirrorRefusesKeysThatDoNotWork(t *testing.T) {
	b := newBench(t)
	private, public := b.keys("cosign")
	b.run("mirror", "--key", b.path("missing.key"), "example.com/a@v1.0.0").exits(command.ExitFailed).complains("missing.key")
	b.run("mirror", "--key", b.write("garbage.key", "not a key\n"), "example.com/a@v1.0.0").exits(command.ExitFailed).complains("garbage.key")
	b.run("mirror", "--key", public, "example.com/a@v1.0.0").exits(command.ExitFailed).complains("cosign.pub")
	b.env["COSIGN_PASSWORD"] = "mistyped"
	r := b.run("mirror", "--key", private, "example.com/a@v1.0.0").exits(command.ExitFailed).complains("password", "COSIGN_PASSWORD")
	if strings.Contains(r.err, "mistyped") {
		t.Error("the password is in the message")
	}
	delete(b.env, "COSIGN_PASSWORD")
	b.run("mirror", "--key", private, "example.com/a@v1.0.0").exits(command.ExitFailed).complains("COSIGN_PASSWORD")
}

func TestMirrorWithoutTheChecksumDatabaseSaysSo(t *testing.T) {
	b := newBench(t)
	t.Setenv("GONOSUMDB", "")
	b.upstream("example.com/a@v1.0.0")
	b.run("mirror", "--no-sign", "--no-sumdb", "example.com/a@v1.0.0").exits(command.ExitOK).complains("WARNING", "--no-sumdb")
	t.Setenv("GOSUMDB", "off")
	b.run("mirror", "--no-sign", "example.com/a@v1.0.0").exits(command.ExitOK).complains("WARNING", "GOSUMDB=off")
}

func TestMirrorTakesTheGoCommandsGOPROXY(t *testing.T) {
	b := newBench(t)
	b.upstream("example.com/a@v1.0.0")
	upstream := b.env["MODFERRY_UPSTREAM"]
	delete(b.env, "MODFERRY_UPSTREAM")
	b.run("mirror", "--no-sign", "example.com/a@v1.0.0").exits(command.ExitItems).complains("GOPROXY=off")
	t.Setenv("GOPROXY", upstream)
	b.run("mirror", "--no-sign", "example.com/a@v1.0.0").exits(command.ExitOK).says("1 new")
	b.run("mirror", "--no-sign", "--upstream", "gopher://example.com", "example.com/a@v1.0.0").exits(command.ExitFailed).complains("gopher", "--upstream")
}

func TestInterruptedMirrorSaysHowToGoOn(t *testing.T) {
	b := newBench(t)
	b.upstream("example.com/a@v1.0.0")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	b.runIn(ctx, "mirror", "--no-sign", "example.com/a@v1.0.0").exits(command.ExitFailed).complains("interrupted", "again")
}

func TestMirrorNeverNamesPrivateModulesToTheDatabase(t *testing.T) {
	b := newBench(t)
	b.upstream("corp.example/a@v1.0.0")
	_, key, err := note.GenerateKey(rand.Reader, "sum.example.com")
	must(t, err)
	log := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t.Errorf("the database was asked for %s", r.URL.Path)
		http.NotFound(w, r)
	}))
	defer log.Close()
	t.Setenv("GOSUMDB", key+" "+log.URL)
	for _, private := range []map[string]string{
		{"GOPRIVATE": "corp.example", "GONOSUMDB": "other.example"}, // set apart, so that one does not imply the other
		{"GOPRIVATE": "corp.example", "GONOSUMDB": ""},
		{"GOPRIVATE": "", "GONOSUMDB": "corp.example"},
	} {
		for name, v := range private {
			t.Setenv(name, v)
		}
		b.run("mirror", "--no-sign", "corp.example/a@v1.0.0").exits(command.ExitOK)
	}
	t.Setenv("GONOSUMDB", "")
	b.run("mirror", "--no-sign", "--private", "corp.example", "corp.example/a@v1.0.0").exits(command.ExitOK)
}
