package main

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/modferry/modferry/cmd/modferry/internal/command"
	"github.com/modferry/modferry/registry/redact/redacttest"
)

// showsNone checks that no part of the credentials is in what a command prints.
func (r result) showsNone() {
	r.t.Helper()
	redacttest.Check(r.t, r.out)
	redacttest.Check(r.t, r.err)
}

func TestNoCommandShowsCredentials(t *testing.T) {
	b := newBench(t)
	private, public := b.keys("cosign")
	b.upstream("example.com/a@v1.0.0")
	b.run("mirror", "--key", private, "example.com/a@v1.0.0").exits(command.ExitOK)
	for _, user := range redacttest.Users() {
		url := "https://" + user + "@proxy.example/x"
		b.stdin = url + "@latest\n" + url + " v1.0.0\n" + url + " x y\n"
		b.write("list.txt", b.stdin)
		b.write("modferry.yaml", "version: 1\nupstream: '"+url+"'\nstore: '"+url+"'\nmodules: ['"+url+"@latest']\n")
		for _, args := range [][]string{
			{url},
			{"--" + url},
			{"mirror", "--dry-run", url},
			{"mirror", "--dry-run", url + "@latest"},
			{"mirror", "--dry-run", "--json", url + "@v1.0.0", "-"},
			{"mirror", "--dry-run", "-"},
			{"mirror", "--dry-run", b.path("list.txt")},
			{"mirror", "--dry-run", b.path("modferry.yaml")},
			{"mirror", "--dry-run", "--tool", url},
			{"mirror", "--dry-run", "--tool", url + "@latest"},
			{"mirror", "--dry-run", "--platform", url, "example.com/a@v1.0.0"},
			{"mirror", "--dry-run", "--registry", url, "example.com/a@v1.0.0"},
			{"mirror", "--key", url, "example.com/a@v1.0.0"},
			{"mirror", "--dry-run", "--upstream", "ftp://" + user + "@proxy.example", "example.com/a@v1.0.0"},
			{"mirror", "--dry-run", "--record", "--", url},
			{"publish", "--dry-run", url},
			{"publish", "--dry-run", "--module", url, "--version", "v1.0.0", b.dir},
			{"check", "--key", public, url},
			{"serve", "--key", public, "--listen", url},
			{"serve", "--key", public, "--sumdb", url},
			{"run", "--key", public, "--", url},
			{"env", "--shim", "ftp://" + user + "@proxy.example"},
			{"ref", url},
			{"ref", url + "@v1.0.0"},
			{"list", url},
			{"list", "--registry", url},
			{"list", "--registry", "oci:" + b.path("store") + "," + url},
			{"list", "--ca-file", url},
			{"inspect", url + "@v1.0.0"},
			{"inspect", "--key", url, "example.com/a@v1.0.0"},
			{"verify", "--key", public, url},
			{"verify", "--key", public, "--sumdb", url, "example.com/a@v1.0.0"},
			{"verify", "--key", public, "--json", url + "@v1.0.0"},
		} {
			r := b.run(args...)
			if r.code == command.ExitOK {
				t.Errorf("modferry %s: no error", r.line)
			}
			r.showsNone()
		}
	}
}

func TestMirrorShowsNoCredentialsOfItsUpstream(t *testing.T) {
	b := newBench(t)
	for _, user := range redacttest.Users() {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			http.Error(w, "nothing for https://"+user+"@"+r.Host+" here", http.StatusForbidden)
		}))
		upstream := strings.Replace(server.URL, "://", "://"+user+"@", 1)
		for _, args := range [][]string{
			{"mirror", "--dry-run", "--upstream", upstream, "example.com/a@v1.0.0", "example.com/b@latest"},
			{"mirror", "--dry-run", "--upstream", upstream + "," + upstream + "|direct", "--static", "example.com/a@v1.0.0"},
			{"mirror", "--dry-run", "--upstream", server.URL, "--json", "example.com/a@v1.0.0"},
			{"mirror", "--dry-run", "--upstream", server.URL, "--tool", "example.com/a@v1.0.0"},
		} {
			r := b.run(args...)
			if r.code == command.ExitOK {
				t.Errorf("modferry %s: no error", r.line)
			}
			r.showsNone()
		}
		server.Close()
	}
}

func TestDoctorShowsNoCredentials(t *testing.T) {
	c := newMachine(t)
	key := c.log.server.Public
	for _, user := range redacttest.Users() {
		url := "http://" + user + "@127.0.0.1:1"
		for _, name := range []string{"GOPRIVATE", "GONOPROXY", "GONOSUMDB", "GOINSECURE"} {
			c.goEnv[name] = url
		}
		for _, s := range []struct{ goproxy, gosumdb string }{
			{url, url},
			{url + ",direct", key + " " + url},
			{url + "," + url + "|direct", key + " " + url + " x"},
			{user + "@127.0.0.1:1", key + " ftp://" + user + "@127.0.0.1:1"},
			{"direct," + user + "@127.0.0.1:1", url + " " + key},
			{"http://me:1234 canary@127.0.0.1:1", key + " http://me:canary canary@127.0.0.1:1"},
		} {
			c.goEnv["GOPROXY"], c.goEnv["GOSUMDB"] = s.goproxy, s.gosumdb
			c.setGoEnv()
			c.run("doctor", "--json", "--key", c.public).exits(command.ExitFailed).says(`"check":"GOPROXY"`, `"check":"GOSUMDB"`).showsNone()
		}
		c.run("doctor", "--key", c.public, "--private", url, "--shim", url).showsNone()
	}
}

func TestLogsShowNoCredentials(t *testing.T) {
	for _, user := range redacttest.Users() {
		url := "https://" + user + "@proxy.example"
		for _, format := range []string{"text", "json"} {
			var out strings.Builder
			log, err := (&app{command.App{Streams: command.Streams{Err: &out}}}).newLog(format)
			must(t, err)
			log.With("at", url).WithGroup("g").Info("asking "+url, "after", fmt.Errorf("Get %q: EOF", url), "for", url, slog.Group("h", "url", url))
			if !strings.Contains(out.String(), "proxy.example") {
				t.Errorf("%s: %s", format, &out)
			}
			redacttest.Check(t, out.String())
		}
	}
}
