package proxyshim

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/module"
)

// goCommand runs the go command with an empty module cache in a module that imports example.com/lib.
func goCommand(t *testing.T, proxy string, args ...string) (string, error) {
	t.Helper()
	return goCommandWith(t, proxy, "off", args...)
}

// goCommandWith is goCommand with a checksum database.
func goCommandWith(t *testing.T, proxy, sumdb string, args ...string) (string, error) {
	t.Helper()
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("no go command")
	}
	dir := t.TempDir()
	check(t, os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module example.com/main\n\ngo 1.24\n\nrequire example.com/lib v1.2.3\n"), 0o644))
	check(t, os.WriteFile(filepath.Join(dir, "main.go"), []byte("package main\n\nimport _ \"example.com/lib\"\n\nfunc main() {}\n"), 0o644))
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOPROXY="+proxy, "GOSUMDB="+sumdb, "GONOSUMDB=", "GOFLAGS=-modcacherw -mod=mod", "GONOPROXY=", "GOPRIVATE=",
		"GOMODCACHE="+t.TempDir(), "GOPATH="+t.TempDir(), "GOENV=off", "GOTOOLCHAIN=local", "GOWORK=off", "GO111MODULE=on")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func TestTheGoCommandBuildsFromTheShimAndFromItsCache(t *testing.T) {
	e := newEnv(t)
	e.publish(content{m: lib})
	if out, err := goCommand(t, e.url, "build", "-o", os.DevNull, "."); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if out, err := goCommand(t, e.url, "list", "-m", "-versions", "example.com/lib"); err != nil || !strings.Contains(out, "example.com/lib v1.2.3") {
		t.Errorf("%v\n%s", err, out)
	}

	proxy := "file://" + filepath.ToSlash(e.options.CacheDir)
	if out, err := goCommand(t, proxy, "build", "-o", os.DevNull, "."); err != nil {
		t.Errorf("from the cache directory: %v\n%s", err, out)
	}
	if out, err := goCommand(t, proxy, "get", "example.com/lib@latest"); err != nil {
		t.Errorf("from the cache directory: %v\n%s", err, out)
	}
}

func TestTheGoCommandShowsWhatTheShimSays(t *testing.T) {
	e := newEnv(t)
	e.publishAs(content{m: lib}, nil)
	// The proxy after the comma must not be asked: the refusal is no absence.
	out, err := goCommand(t, e.url+",file:///nonexistent", "mod", "download")
	if err == nil || !strings.Contains(out, "SECURITY: ") || !strings.Contains(out, "403") {
		t.Errorf("refused: %v\n%s", err, out)
	}
	e = newEnv(t)
	e.publish(content{m: lib})
	out, err = goCommand(t, e.url, "get", "example.com/none@v1.0.0")
	if err == nil || !strings.Contains(out, "not found: ") || !strings.Contains(out, "modferry mirror example.com/none@v1.0.0") {
		t.Errorf("absent: %v\n%s", err, out)
	}
}

func TestTheGoCommandVerifiesWithTheLogOfTheShim(t *testing.T) {
	l := loggedLog(t)
	e := newEnv(t, withLog(l))
	e.mirror(l, l.snapshot(nil), logged...)
	if out, err := goCommandWith(t, e.url, l.Key(), "build", "-o", os.DevNull, "."); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	unmirrored := content{m: module.Version{Path: "example.com/lib", Version: "v1.2.4"}}
	e.publish(unmirrored)
	out, err := goCommandWith(t, e.url, l.Key(), "get", unmirrored.m.String())
	if err == nil || !strings.Contains(out, "SECURITY: example.com/lib@v1.2.4: no record of the checksum database confirms it") ||
		!strings.Contains(out, "run modferry mirror example.com/lib@v1.2.4 ") {
		t.Errorf("without a record: %v\n%s", err, out)
	}

	// Between the shim and the go command nobody can change anything.
	for _, part := range []string{"/lookup/", "/tile/", ".zip", ".mod"} {
		tampering := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			answer := httptest.NewRecorder()
			e.handler.ServeHTTP(answer, r)
			body := answer.Body.Bytes()
			switch {
			case !strings.Contains(r.URL.Path, part):
			case part == ".zip": // another module version under this one's name
				other, err := os.ReadFile(content{m: lib, text: "evil"}.zip(t))
				check(t, err)
				body = other
			case part == ".mod":
				body = append(body, "// evil\n"...)
			default:
				body = flip(body)
			}
			w.WriteHeader(answer.Code)
			_, _ = w.Write(body)
		}))
		out, err := goCommandWith(t, tampering.URL, l.Key(), "mod", "download", "example.com/lib@v1.2.3")
		if err == nil || !strings.Contains(out, "verifying") && !strings.Contains(out, "SECURITY ERROR") {
			t.Errorf("%s changed on the way: %v\n%s", part, err, out)
		}
		tampering.Close()
	}
}

func TestServesFromALayoutToo(t *testing.T) {
	e := newEnvOn(t, "oci:"+filepath.Join(t.TempDir(), "store"))
	e.publish(content{m: lib})
	e.publish(content{m: module.Version{Path: "example.com/lib", Version: "v1.2.4"}, modOnly: true})
	if out, err := goCommand(t, e.url, "build", "-o", os.DevNull, "."); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	e.want("/example.com/lib/@v/list", 200, "v1.2.3\n")
	e.want("/example.com/lib/@v/v1.2.4.zip", 404, "only go.mod")
	e.want("/example.com/none/@v/list", 404, "not found: ")
	if w := e.serve(context.Background(), libURL+".info"); w.Code != 200 {
		t.Error(w.Code)
	}
}

func TestTheGoCommandAsksForRevisions(t *testing.T) {
	for name, e := range map[string]*env{
		"registry": newEnv(t),
		"layout":   newEnvOn(t, "oci:"+filepath.Join(t.TempDir(), "store")),
	} {
		next := content{m: module.Version{Path: lib.Path, Version: "v1.3.0"}, origin: libCommit}
		e.publish(content{m: lib})
		e.publish(next)
		e.record("main", "v1.3.0")
		e.record("Release_1.2", "v1.2.3")
		e.record(libCommit, "v1.3.0")
		for _, test := range []struct{ args, want string }{
			{"list -m example.com/lib@main", "example.com/lib v1.3.0\n"},
			{"list -m example.com/lib@Release_1.2", "example.com/lib v1.2.3\n"},
			{"list -m example.com/lib@" + libCommit, "example.com/lib v1.3.0\n"},
			{"get example.com/lib@" + libCommit[:12], "upgraded example.com/lib v1.2.3 => v1.3.0\n"},
			{"get example.com/lib@main", "upgraded example.com/lib v1.2.3 => v1.3.0\n"},
			{"install example.com/lib@main", "not a main package"},
		} {
			out, err := goCommand(t, e.url, strings.Fields(test.args)...)
			if !strings.Contains(out, test.want) || err != nil && !strings.HasPrefix(test.args, "install ") {
				t.Errorf("%s: go %s: %v\n%s", name, test.args, err, out)
			}
		}
		out, err := goCommand(t, e.url, "list", "-m", "example.com/lib@develop")
		if err == nil || !strings.Contains(out, "modferry mirror example.com/lib@develop") {
			t.Errorf("%s: not recorded: %v\n%s", name, err, out)
		}
		e.recordAs("develop", "v1.3.0", nil)
		e.clock.advance(time.Hour)
		out, err = goCommand(t, e.url+",file:///nonexistent", "get", "example.com/lib@develop")
		if err == nil || !strings.Contains(out, "SECURITY: ") || !strings.Contains(out, "403") {
			t.Errorf("%s: not signed: %v\n%s", name, err, out)
		}
	}
}
