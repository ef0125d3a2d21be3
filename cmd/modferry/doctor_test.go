package main

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/modferry/modferry/cmd/modferry/internal/command"
	"github.com/modferry/modferry/cmd/modferry/internal/doctor"
)

// machine is a bench with a log, a snapshot of it, and a machine whose go command says what the test wants.
type machine struct {
	*bench
	log    *testLog
	head   []byte            // of the snapshot
	goEnv  map[string]string // what the go command says
	public string
}

func newMachine(t *testing.T) *machine {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("the go command of these tests is a shell script")
	}
	b := newBench(t)
	private, public := b.keys("cosign")
	c := &machine{bench: b, log: newTestLog(b), public: public}
	c.head = c.log.grow(300)
	c.log.publish(c.head, b.loadSigner(private))
	c.goEnv = map[string]string{
		"GOPROXY": c.log.proxy(c.head), "GOSUMDB": c.log.server.Public, "GOENV": b.path("goenv"), "GOPATH": b.path("gopath"), "GOTOOLCHAIN": "auto",
		"GONOPROXY": "", "GOPRIVATE": "", "GONOSUMDB": "", "GOINSECURE": "",
	}
	b.env["MODFERRY_SUMDB"] = c.log.server.Public
	must(t, os.Mkdir(b.path("bin"), 0o700))
	must(t, os.WriteFile(b.path("bin", "go"), []byte("#!/bin/sh\n[ \"$2\" = GOTOOLCHAIN ] && exec cat "+b.path("toolchain")+"\nexec cat "+b.path("goenv.json")+"\n"), 0o700))
	t.Setenv("PATH", b.path("bin")+string(os.PathListSeparator)+os.Getenv("PATH"))
	return c
}

// setGoEnv has the go command say what goEnv does, GOTOOLCHAIN only where it is asked for that alone.
func (c *machine) setGoEnv() {
	c.t.Helper()
	env := maps.Clone(c.goEnv)
	env["GOTOOLCHAIN"] = "what it was started with"
	data, err := json.Marshal(env)
	must(c.t, err)
	c.write("goenv.json", string(data))
	c.write("toolchain", c.goEnv["GOTOOLCHAIN"]+"\n")
}

// doctor runs the command and returns its findings by the name of the check.
func (c *machine) doctor(code int, args ...string) map[string]doctor.Finding {
	c.t.Helper()
	c.setGoEnv()
	list := jsonLines[doctor.Finding](c.run(append([]string{"doctor", "--json", "--key", c.public}, args...)...).exits(code))
	found := make(map[string]doctor.Finding)
	for _, f := range list {
		found[f.Check] = f
	}
	if len(found) != len(list) {
		c.t.Errorf("a check was reported twice: %v", list)
	}
	return found
}

// wrong checks that one thing is wrong and nothing else, and how it is mended.
func (c *machine) wrong(check, detail, mend string, args ...string) {
	c.t.Helper()
	for name, f := range c.doctor(command.ExitFailed, args...) {
		switch {
		case name != check && f.Status == doctor.Wrong:
			c.t.Errorf("%s is wrong, too: %+v", name, f)
		case name == check && (f.Status != doctor.Wrong || !strings.Contains(f.Detail, detail) || f.Mend != mend):
			c.t.Errorf("%s: %+v\nwant %q, mended by %s", check, f, detail, mend)
		}
	}
}

func TestDoctorFindsAHealthyMachineHealthy(t *testing.T) {
	c := newMachine(t)
	for name, f := range c.doctor(command.ExitOK) {
		if f.Status != doctor.OK || f.Mend != "" {
			t.Errorf("%s: %+v", name, f)
		}
	}
	r := c.run("doctor", "--key", c.public).exits(command.ExitOK)
	r.says("ok     GOPROXY       http://127.0.0.1:", "(default)", "ok     snapshot      sum.example.com, 300 records", "none yet")
	c.run("doctor").exits(command.ExitOK).says("note   snapshot", "signature is not checked")
}

func TestDoctorMendsSettingsWhereTheyAreMade(t *testing.T) {
	c := newMachine(t)
	key := c.log.server.Public
	for _, test := range []struct {
		name, value  string
		where        string // environment, file or default
		detail, mend string
	}{
		{"GOSUMDB", "off", "environment", "switch toolchains", "export GOSUMDB='" + key + "'"},
		{"GOSUMDB", "off", "file", "switch toolchains", "go env -w GOSUMDB=" + key},
		{"GOSUMDB", "off", "default", "switch toolchains", "go env -w GOSUMDB=" + key},
		{"GOSUMDB", key + " https://user:secret@sum.example.com", "file", "https://xxxxx@sum.example.com itself", "go env -w GOSUMDB=" + key},
		{"GOSUMDB", "sum.golang.org", "default", "asks for sum.golang.org", "go env -w GOSUMDB=" + key},
		{"GOSUMDB", "nonsense", "default", "nonsense", "go env -w GOSUMDB=" + key},
		{"GONOPROXY", "corp.example", "file", "not through the shim", "go env -w GONOPROXY=none"},
		{"GONOPROXY", "corp.example", "environment", "not through the shim", "export GONOPROXY='none'"},
		{"GONOSUMDB", "*", "environment", "every module", "export GONOSUMDB='none'"},
		{"GONOSUMDB", "a.example, b.example", "environment", "matches no module", "export GONOSUMDB='a.example,b.example'"},
		{"GONOSUMDB", "*.example", "file", "every module", "go env -w GONOSUMDB=none"},
		{"GOPROXY", "off", "environment", "downloads nothing", "export GOPROXY='http://127.0.0.1:7070'"},
		{"GOPROXY", "direct", "default", "origin", "go env -w GOPROXY=http://127.0.0.1:7070"},
		{"GOPROXY", "file:///modules", "default", "dials sum.example.com itself", "go env -w GOPROXY=http://127.0.0.1:7070"},
		{"GOPROXY", c.goEnv["GOPROXY"] + ",direct", "default", "looked for elsewhere", "go env -w GOPROXY=" + c.goEnv["GOPROXY"]},
		{"GOPROXY", "https://proxy.corp.example|direct", "default", "looked for elsewhere", "go env -w GOPROXY=http://127.0.0.1:7070"},
	} {
		before := c.goEnv[test.name]
		c.goEnv[test.name] = test.value
		c.write("goenv", "")
		switch test.where {
		case "environment":
			c.env[test.name] = test.value
		case "file":
			c.write("goenv", test.name+"="+test.value+"\n")
		}
		c.wrong(test.name, test.detail, test.mend)
		c.goEnv[test.name] = before
		delete(c.env, test.name)
	}
}

func TestDoctorNamesTheDefaultLogWithoutItsKey(t *testing.T) {
	c := newMachine(t)
	c.env["MODFERRY_SUMDB"] = "sum.golang.org"
	c.goEnv["GOSUMDB"], c.env["GOSUMDB"] = "off", "off"
	if f := c.doctor(command.ExitFailed)["GOSUMDB"]; f.Mend != "export GOSUMDB='sum.golang.org'" || f.From != "environment" {
		t.Errorf("%+v", f)
	}
	delete(c.env, "GOSUMDB")
	c.write("goenv", "GOSUMDB=off\n")
	if f := c.doctor(command.ExitFailed)["GOSUMDB"]; f.Mend != "go env -w GOSUMDB=sum.golang.org" || f.From != c.path("goenv") {
		t.Errorf("%+v", f)
	}
}

func TestDoctorWantsPrivateModulesInGONOSUMDBAlone(t *testing.T) {
	c := newMachine(t)
	c.goEnv["GONOSUMDB"] = "old.example"
	c.wrong("GONOSUMDB", "corp.example/*", "go env -w 'GONOSUMDB=old.example,corp.example/*'", "--private", "corp.example/*,old.example")

	// GOPRIVATE leads around the shim.
	for _, name := range []string{"GOPRIVATE", "GONOSUMDB", "GONOPROXY"} {
		c.goEnv[name] = "corp.example"
	}
	c.env["GOPRIVATE"] = "corp.example"
	c.wrong("GONOPROXY", "not through the shim", "go env -w GONOPROXY=none", "--private", "corp.example")
	c.goEnv["GONOPROXY"] = "none"
	found := c.doctor(command.ExitOK, "--private", "corp.example")
	if f := found["GONOSUMDB"]; f.Status != doctor.OK || f.From != "GOPRIVATE, environment" {
		t.Errorf("%+v", f)
	}
	if f := found["GOPRIVATE"]; f.Status != doctor.Note {
		t.Errorf("%+v", f)
	}
}

func TestDoctorSeesGOTOOLCHAINAsTheGoCommandDoes(t *testing.T) {
	c := newMachine(t)
	if f := c.doctor(command.ExitOK)["GOTOOLCHAIN"]; f.Value != "auto" || f.From != "default" {
		t.Errorf("%+v", f)
	}
	c.write("goenv", "GOTOOLCHAIN=go1.99.1\n")
	c.goEnv["GOTOOLCHAIN"] = "go1.99.1"
	if f := c.doctor(command.ExitOK)["GOTOOLCHAIN"]; f.Value != "go1.99.1" || f.From != c.path("goenv") {
		t.Errorf("%+v", f)
	}
	c.env["GOTOOLCHAIN"], c.goEnv["GOTOOLCHAIN"] = "local", "local"
	if f := c.doctor(command.ExitOK)["GOTOOLCHAIN"]; f.Value != "local" || f.From != "environment" {
		t.Errorf("%+v", f)
	}
}

func TestDoctorAsksTheShimWhatTheGoCommandAsks(t *testing.T) {
	c := newMachine(t)
	status := http.StatusNotFound
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/sumdb/sum.example.com/supported" {
			http.NotFound(w, r)
			return
		}
		w.WriteHeader(status)
	}))
	c.goEnv["GOPROXY"] = server.URL
	for _, test := range []struct {
		status int
		detail string
	}{
		{http.StatusNotFound, "dials sum.example.com itself"},
		{http.StatusForbidden, "answers 403"},
	} {
		status = test.status
		f := c.doctor(command.ExitFailed)["GOPROXY"]
		if f.Status != doctor.Wrong || !strings.Contains(f.Detail, test.detail) || f.Mend != "go env -w GOPROXY=http://127.0.0.1:7070" {
			t.Errorf("%+v", f)
		}
	}
	status = http.StatusMisdirectedRequest
	c.wrong("GOPROXY", "does not answer for the host 127.0.0.1", "modferry serve --key cosign.pub --allow-host 127.0.0.1")
	status = http.StatusOK
	c.wrong("GOPROXY", "not a modferry shim", "go env -w GOPROXY=http://127.0.0.1:7070")
	server.Close()
	addr := strings.TrimPrefix(server.URL, "http://")
	c.wrong("GOPROXY", "does not answer", "modferry serve --key cosign.pub --listen "+addr)
}

func TestDoctorWithoutAGoCommandSaysSo(t *testing.T) {
	c := newMachine(t)
	t.Setenv("PATH", c.path("nothing"))
	c.run("doctor").exits(command.ExitFailed).complains("no go command", "hint:")
	t.Setenv("PATH", c.path("bin"))
	must(t, os.WriteFile(filepath.Join(c.dir, "bin", "go"), []byte("#!/bin/sh\necho broken >&2\nexit 1\n"), 0o700))
	c.run("doctor").exits(command.ExitFailed).complains("broken")
}
