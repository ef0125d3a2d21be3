package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/modferry/modferry/cmd/modferry/internal/command"
	"github.com/modferry/modferry/cmd/modferry/internal/doctor"
)

// mirrorAgain is the command that brings a new snapshot.
const mirrorAgain = "modferry mirror --key cosign.key go.sum"

// sees makes the go command remember a head of the log.
func (c *machine) sees(head []byte) string {
	c.t.Helper()
	name := filepath.Join(c.goEnv["GOPATH"], "pkg", "sumdb", "sum.example.com", "latest")
	must(c.t, os.MkdirAll(filepath.Dir(name), 0o700))
	must(c.t, os.WriteFile(name, head, 0o600))
	return name
}

func TestDoctorComparesTheHeadThatTheGoCommandHasSeen(t *testing.T) {
	c := newMachine(t)
	name := c.sees(nil)
	if f := c.doctor(command.ExitOK)["client head"]; f.Value != "none yet" || f.From != name {
		t.Errorf("%+v", f)
	}
	c.sees(c.head)
	if f := c.doctor(command.ExitOK)["client head"]; f.Value != "300 records, equal to the snapshot" {
		t.Errorf("%+v", f)
	}
	c.sees([]byte("garbage"))
	c.wrong("client head", "signature", "rm "+name)

	c.sees(c.log.grow(10))
	c.wrong("client head", "newer head", mirrorAgain)

	c.log.rewrite("B")
	c.sees(c.log.grow(300))
	c.wrong("client head", "SECURITY", "mv "+name+" "+name+".forked")
}

func TestDoctorTellsOlderHeadsThatWerePublishedFromOthers(t *testing.T) {
	c := newMachine(t)
	log := newTestLog(c.bench)
	c.log, c.goEnv["GOSUMDB"], c.env["MODFERRY_SUMDB"] = log, log.server.Public, log.server.Public
	inTile, whole := log.grow(100), log.grow(156)
	head := log.grow(1000)
	c.env["MODFERRY_REGISTRY"] = "oci:" + c.path("other")
	log.publish(head, c.loadSigner(c.path("cosign.key")))
	c.goEnv["GOPROXY"] = log.proxy(head)
	c.sees(whole) // its tiles are all above level 0
	if f := c.doctor(command.ExitOK)["client head"]; f.Value != "256 records, older than the snapshot" {
		t.Errorf("%+v", f)
	}
	name := c.sees(inTile)
	c.wrong("client head", "never published", "rm "+name)
}

func TestDoctorExaminesTheSnapshot(t *testing.T) {
	c := newMachine(t)
	_, stranger := c.keys("stranger")
	good := c.public
	c.public = stranger
	if f := c.doctor(command.ExitFailed)["snapshot"]; f.Status != doctor.Wrong || f.Mend != mirrorAgain || f.Detail == "" {
		t.Errorf("signed by a stranger: %+v", f)
	}
	c.public = good
	c.wrong("store", "no OCI image layout yet", mirrorAgain, "--registry", "oci:"+c.path("empty"))
}

func TestDoctorSeesAShimThatLagsOrHasNothing(t *testing.T) {
	c := newMachine(t)
	c.goEnv["GOPROXY"] = c.log.proxy([]byte("garbage"))
	c.wrong("shim", "same store", "modferry serve --key cosign.pub --listen "+strings.TrimPrefix(c.goEnv["GOPROXY"], "http://"))

	signer := c.loadSigner(c.path("cosign.key"))
	c.goEnv["GOPROXY"] = c.log.proxy(c.log.grow(212)) // a whole number of tiles
	c.log.publish(c.log.grow(500), signer)
	if f := c.doctor(command.ExitOK)["shim"]; f.Status != doctor.Note || !strings.Contains(f.Detail, "--recheck") {
		t.Errorf("%+v", f)
	}
	c.goEnv["GOPROXY"] = c.log.proxy(c.log.grow(1))
	c.wrong("shim", "does not go back", mirrorAgain)
	c.log.rewrite("B")
	c.goEnv["GOPROXY"] = c.log.proxy(c.log.grow(1012))
	c.wrong("shim", "SECURITY", "")
}
