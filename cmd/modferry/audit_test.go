package main

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/modferry/modferry/cmd/modferry/internal/command"
	"github.com/modferry/modferry/registry/redact/redacttest"
	"github.com/modferry/modferry/registry/remote/registrytest"
)

// auditLine is what the tests look at in a line of the audit log.
type auditLine struct {
	ID, Client, Module, Version, File, Outcome, Reason, Manifest, Registry, Error string
	Status                                                                        int
	Cached                                                                        bool
	Bytes                                                                         int64
}

func auditLines(t *testing.T, name string) (lines []auditLine) {
	t.Helper()
	data, err := os.ReadFile(name)
	must(t, err)
	for line := range strings.Lines(string(data)) {
		var l auditLine
		must(t, json.Unmarshal([]byte(line), &l))
		lines = append(lines, l)
	}
	return lines
}

// Nowhere, be it a log, an answer or the audit log, is a password: the registry's, the client's, or one that somebody sent.
func TestTheAuditLogHasEachRequestAndNoPassword(t *testing.T) {
	b := newBench(t)
	private, public := b.keys("cosign")
	user, password := "robot", "canary"
	reg := registrytest.New(t, registrytest.Options{Auth: registrytest.HarborToken, User: user, Password: password})
	t.Setenv("DOCKER_CONFIG", t.TempDir())
	auth := base64.StdEncoding.EncodeToString([]byte(user + ":" + password))
	must(t, os.WriteFile(filepath.Join(os.Getenv("DOCKER_CONFIG"), "config.json"), []byte(`{"auths":{"`+reg.Host()+`":{"auth":"`+auth+`"}}}`), 0o600))
	b.env["MODFERRY_REGISTRY"] = reg.Host() + "/golang"
	b.upstream("example.com/a@v1.0.0", "example.com/b@v1.0.0", "example.com/d@v1.0.0")
	b.run("mirror", "--key", private, "example.com/a@v1.0.0", "example.com/d@v1.0.0").exits(command.ExitOK).showsNone()
	b.run("mirror", "--no-sign", "example.com/b@v1.0.0").exits(command.ExitOK).showsNone()
	name := b.path("audit.log")
	s := b.serve("--key", public, "--private", "example.com/*", "--audit-log", name)
	get := func(path string) (int, string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+path+"?token="+"canary", nil)
		must(t, err)
		req.SetBasicAuth("me", "canary")
		resp, err := http.DefaultClient.Do(req)
		must(t, err)
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		must(t, err)
		redacttest.Check(t, string(body))
		return resp.StatusCode, string(body)
	}
	get("/example.com/a/@v/v1.0.0.info")
	get("/example.com/a/@v/v1.0.0.info")
	_, refused := get("/example.com/b/@v/v1.0.0.zip")
	must(t, os.Rename(name, name+".1")) // as log rotation does
	reg.Inject(registrytest.Denied())
	get("/example.com/c/@v/v1.0.0.info")
	reg.Inject(registrytest.HarborPolicyViolation())
	_, heldBack := get("/example.com/d/@v/v1.0.0.info")
	r := s.stop().exits(command.ExitOK)
	r.showsNone()

	before, after := auditLines(t, name+".1"), auditLines(t, name)
	if len(before) != 3 || len(after) != 2 {
		t.Fatalf("%d lines before and %d after the rotation", len(before), len(after))
	}
	for i, want := range []auditLine{
		{Module: "example.com/a", Version: "v1.0.0", File: "info", Outcome: "served", Status: 200},
		{Module: "example.com/a", Version: "v1.0.0", File: "info", Outcome: "served", Status: 200, Cached: true},
		{Module: "example.com/b", Version: "v1.0.0", File: "zip", Outcome: "refused", Reason: "unsigned", Status: 403},
		{Module: "example.com/c", Version: "v1.0.0", File: "info", Outcome: "denied", Status: 403},
		{Module: "example.com/d", Version: "v1.0.0", File: "info", Outcome: "held-back", Status: 403},
	} {
		got := append(before, after...)[i]
		if got.ID == "" || !strings.HasPrefix(got.Client, "127.0.0.1:") || got.Registry != reg.Host()+"/golang" || got.Bytes == 0 ||
			(got.Manifest != "") != (i < 3) || (got.Error != "") != (i > 1) {
			t.Errorf("line %d: %+v", i, got)
		}
		want.ID, want.Client, want.Registry, want.Bytes, want.Manifest, want.Error = got.ID, got.Client, got.Registry, got.Bytes, got.Manifest, got.Error
		if got != want {
			t.Errorf("line %d: %+v, want %+v", i, got, want)
		}
	}
	if !strings.Contains(refused, "request "+before[2].ID) || !strings.Contains(r.err, "request="+before[2].ID) {
		t.Errorf("the refusal %q, or the log, does not name %s:\n%s", refused, before[2].ID, r.err)
	}
	if !strings.Contains(heldBack, "request "+after[1].ID) {
		t.Errorf("%q does not name %s", heldBack, after[1].ID)
	}
	for _, file := range []string{name, name + ".1"} {
		data, err := os.ReadFile(file)
		must(t, err)
		redacttest.Check(t, string(data))
	}
}

func TestTheAuditLogOfRunIsAFile(t *testing.T) {
	b, public := mirrored(t)
	b.run("run", "--key", public, "--audit-log", "-", "--", "true").exits(command.ExitUsage).complains("name a file")
	b.run("run", "--key", public, "--audit-log", b.path("no", "such.log"), "--", "true").exits(command.ExitFailed).complains("opening the audit log", "a directory that is there")
	b.run("run", "--key", public, "--audit-log", b.path("audit.log"), "--", "true").exits(command.ExitOK)
}

func TestTheAuditLogOfServeCanBeStandardOutput(t *testing.T) {
	b, public := mirrored(t)
	s := b.serve("--key", public, "--audit-log", "-")
	resp, err := http.Get(s.url + "/example.com/none/@v/v1.0.0.info")
	must(t, err)
	resp.Body.Close()
	s.stop().exits(command.ExitOK).says(`"module":"example.com/none","version":"v1.0.0"`)
}
