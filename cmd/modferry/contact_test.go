package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/modferry/modferry/artifact/sumdb"
	"github.com/modferry/modferry/cmd/modferry/internal/command"
	"github.com/modferry/modferry/registry/remote/registrytest"
)

// A store that lets nobody in fails the command before anything is fetched for it, and is told once.
func TestAStoreThatRefusesFailsACommandBeforeItsWork(t *testing.T) {
	b := newBench(t)
	b.upstream("example.com/a@v1.0.0")
	private, public := b.keys("cosign")
	refusing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusUnauthorized)
	}))
	defer refusing.Close()
	asked := 0
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		http.FileServer(http.Dir(b.path("upstream"))).ServeHTTP(w, r)
	}))
	defer proxy.Close()
	b.env["MODFERRY_UPSTREAM"] = proxy.URL
	b.env["MODFERRY_REGISTRY"] = strings.TrimPrefix(refusing.URL, "http://") + "/golang"
	must(t, os.Mkdir(b.path("app"), 0o700))
	b.write("app/go.mod", "module corp.example/app\n\nrequire example.com/a v1.0.0\n")
	for _, args := range [][]string{
		{"mirror", "--key", private, b.path("app"), "example.com/a@v1.0.0", "example.com/b@v1.0.0"},
		{"check", "--key", public, b.path("app")},
	} {
		r := b.run(args...).exits(command.ExitFailed).complains("modferry: nothing was ")
		if n := strings.Count(r.err, "/golang"); n != 1 {
			t.Errorf("%s: the store is named %d times:\n%s", args[0], n, r.err)
		}
	}
	if asked > 0 {
		t.Errorf("%d requests upstream", asked)
	}
}

// Nobody has to read of each version that a store is not there, nor of what was looked for in it first.
func TestAStoreThatIsNotThereIsToldOnce(t *testing.T) {
	b, public := mirrored(t)
	must(t, os.Mkdir(b.path("app"), 0o700))
	b.write("app/go.mod", "module corp.example/app\n\nrequire example.com/a v1.0.0\n")
	for _, store := range []string{"127.0.0.1:1/golang", "oci:" + b.path("mistyped")} {
		b.env["MODFERRY_REGISTRY"] = store
		for _, args := range [][]string{
			{"verify", "--key", public, "example.com/a@v1.0.0", "example.com/b@v1.0.0"},
			{"verify", "--key", public, "--all"},
			{"inspect", "example.com/a@v1.0.0"},
			{"check", "--key", public, b.path("app")},
			{"list"},
			{"list", "example.com/a"},
		} {
			if args[0] == "list" && strings.HasPrefix(store, "oci:") {
				continue // it says so itself
			}
			r := b.run(args...).exits(command.ExitFailed).complains("modferry: nothing was ", "asking "+store)
			if n := strings.Count(r.err, store); n != 1 {
				t.Errorf("%s: the store is named %d times:\n%s", args[0], n, r.err)
			}
		}
	}
}

// A catalog that the account may not read is another matter.
func TestAWrongPasswordIsToldAsSuch(t *testing.T) {
	b, public := mirrored(t)
	for name, auth := range map[string]registrytest.Auth{"distribution": registrytest.BasicAuth, "Harbor": registrytest.HarborToken} {
		t.Run(name, func(t *testing.T) {
			reg := registrytest.New(t, registrytest.Options{Auth: auth, User: "robot", Password: "right"})
			t.Setenv("DOCKER_AUTH_CONFIG", `{"auths":{"`+reg.Host()+`":{"username":"robot","password":"canary"}}}`)
			b.env["MODFERRY_REGISTRY"] = reg.Host() + "/golang"
			for _, args := range [][]string{{"list"}, {"list", "example.com/a"}, {"verify", "--key", public, "--all"}} {
				r := b.run(args...).complains("unauthorized", "password")
				r.showsNone()
				if r.code == command.ExitOK || strings.Contains(r.err, "catalog") {
					t.Errorf("%v: exit code %d: %s", args, r.code, r.err)
				}
			}
		})
	}
}

// Some registries deny what does not exist, as the snapshot of a new store.
func TestAStoreThatDeniesTheSnapshotTakesModules(t *testing.T) {
	b := newBench(t)
	b.upstream("example.com/a@v1.0.0")
	private, _ := b.keys("cosign")
	reg := registrytest.New(t, registrytest.Options{})
	reg.Inject(registrytest.Answer(http.StatusForbidden, "DENIED", "denied").On(http.MethodGet, registrytest.Manifest).For(sumdb.LatestTag))
	b.env["MODFERRY_REGISTRY"] = reg.Host() + "/golang"
	b.run("mirror", "--key", private, "--private", "example.com/a", "example.com/a@v1.0.0").exits(command.ExitOK).says("1 new, 0 existing, 0 failed")
}

func TestServeSaysWhatItsStoreIsLike(t *testing.T) {
	b, public := mirrored(t)
	s := b.serve("--key", public)
	if r := s.stop().exits(command.ExitOK); strings.Contains(r.err, "level=WARN") {
		t.Errorf("a warning about a store that is in order:\n%s", r.err)
	}
	b.env["MODFERRY_REGISTRY"] = "oci:" + b.path("mistyped")
	b.serve("--key", public).logs("the store is empty")
	b.env["MODFERRY_REGISTRY"] = "127.0.0.1:1/golang"
	b.serve("--key", public).logs("the store does not answer as it should")
}

// To the go command a pattern behind a space matches nothing, and who wrote it believes that its modules are private.
func TestNobodyIsToldOfModulesWhosePrivatePatternHasASpace(t *testing.T) {
	b := newBench(t)
	b.upstream("example.com/a@v1.0.0")
	private, _ := b.keys("cosign")
	for name, env := range map[string]string{"--private": "", "GOPRIVATE": "corp.example, example.com", "GONOSUMDB": "corp.example, example.com"} {
		args := []string{"mirror", "--key", private, "example.com/a@v1.0.0"}
		if env == "" {
			args = slices.Insert(args, 1, "--private", "corp.example, example.com")
		} else {
			t.Setenv(name, env)
		}
		b.run(args...).exits(command.ExitUsage).complains("matches no module")
		t.Setenv("GOPRIVATE", "")
		t.Setenv("GONOSUMDB", "")
	}
}

func TestAnOutageOfTheCatalogIsNotToldAsAWrongPassword(t *testing.T) {
	b := newBench(t)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		switch r.URL.Path {
		case "/v2/":
		case "/v2/_catalog":
			w.WriteHeader(http.StatusServiceUnavailable)
		default:
			w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = w.Write([]byte(`{"errors":[{"code":"UNAUTHORIZED","message":"unauthorized"}]}`))
		}
	}))
	defer srv.Close()
	b.env["MODFERRY_REGISTRY"] = strings.TrimPrefix(srv.URL, "http://") + "/golang"
	b.run("list").exits(command.ExitFailed).complains("503")
}
