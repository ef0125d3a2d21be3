package e2e

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"

	"github.com/modferry/modferry/artifact/sign/signtest"
	"github.com/rogpeppe/go-internal/testscript"
)

// shimKey finds the script's shim, a *shim, in its values.
type shimKey struct{}

// shim is the shim a script has running, if any.
type shim struct{ *process }

// shim [ARG…] starts modferry serve on the script's store and a free port and sets $SHIM to its address.
func cmdShim(ts *testscript.TestScript, neg bool, args []string) {
	argv := append([]string{"serve", "--registry", ts.Getenv("STORE"), "--listen", "127.0.0.1:0"}, args...)
	cmd := exec.Command(os.Getenv(envModferry), argv...)
	cmd.Dir = ts.MkAbs(".")
	for _, name := range []string{"HOME", "PATH", "XDG_RUNTIME_DIR", "DOCKER_CONFIG", "MODFERRY_CACHE"} {
		cmd.Env = append(cmd.Env, name+"="+ts.Getenv(name))
	}
	p, err := startProcess(cmd, regexp.MustCompile(`(https?://127\.0\.0\.1:[0-9]+)`))
	if neg {
		if err == nil {
			p.kill()
			ts.Fatalf("the shim started, unexpectedly")
		}
		ts.Logf("%v", err)
		return
	}
	ts.Check(err)
	ts.Defer(p.kill)
	ts.Setenv("SHIM", p.ready)
	ts.Value(shimKey{}).(*shim).process = p
}

// stopshim [kill] ends the shim, by an interrupt or by kill -9, and writes what it had said to shim.log.
func cmdStopShim(ts *testscript.TestScript, neg bool, args []string) {
	p := ts.Value(shimKey{}).(*shim).process
	if p == nil || neg {
		ts.Fatalf("usage: stopshim [kill], with a shim running")
	}
	if len(args) == 1 && args[0] == "kill" {
		p.kill()
	} else if err := p.interrupt(); err != nil {
		ts.Fatalf("the shim did not end well: %v\n%s", err, p.output())
	}
	ts.Check(writeFile(ts.MkAbs("shim.log"), p.output()))
}

// outage begin|end takes the store away from everybody, or brings it back.
func cmdOutage(ts *testscript.TestScript, neg bool, args []string) {
	o := ts.Value(outageKey{}).(outage)
	switch {
	case len(args) == 1 && args[0] == "begin" && !neg:
		ts.Check(o.begin())
	case len(args) == 1 && args[0] == "end" && !neg:
		ts.Check(o.end())
	default:
		ts.Fatalf("usage: outage begin|end")
	}
}

// manifest REPOSITORY TAG reads a manifest of the script's store, as any tool does.
func cmdManifest(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 || neg {
		ts.Fatalf("usage: manifest REPOSITORY TAG")
	}
	v := openVault(ts, ts.Getenv("STORE"))
	defer v.close()
	_, _, err := v.Manifest(v.ctx(), args[0], args[1])
	ts.Check(err)
}

// setenv NAME FILE sets a variable to a file's content, or to the last command's output (stdout).
func cmdSetenv(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 || neg {
		ts.Fatalf("usage: setenv NAME FILE")
	}
	ts.Setenv(args[0], strings.TrimSpace(ts.ReadFile(args[1])))
}

// retag FROM TO puts the manifest at one full reference under another one, as anybody with push rights can.
func cmdRetag(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 || neg {
		ts.Fatalf("usage: retag FROM TO")
	}
	const manifest = "application/vnd.oci.image.manifest.v1+json"
	get, err := http.NewRequest(http.MethodGet, manifestURL(args[0]), nil)
	ts.Check(err)
	get.Header.Set("Accept", manifest)
	body := do(ts, get, http.StatusOK)
	for _, digest := range regexp.MustCompile(`sha256:[0-9a-f]{64}`).FindAllString(string(body), -1) {
		mount := fmt.Sprintf("http://%s/blobs/uploads/?mount=%s&from=%s", repositoryURL(args[1]), digest, repositoryName(args[0]))
		post, err := http.NewRequest(http.MethodPost, mount, nil)
		ts.Check(err)
		do(ts, post, 0)
	}
	put, err := http.NewRequest(http.MethodPut, manifestURL(args[1]), bytes.NewReader(body))
	ts.Check(err)
	put.Header.Set("Content-Type", manifest)
	do(ts, put, http.StatusCreated)
}

func do(ts *testscript.TestScript, r *http.Request, want int) []byte {
	resp, err := http.DefaultClient.Do(r)
	ts.Check(err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	ts.Check(err)
	if want != 0 && resp.StatusCode != want {
		ts.Fatalf("%s %s: %s\n%s", r.Method, r.URL, resp.Status, body)
	}
	return body
}

// A full reference is host/name:tag.
func manifestURL(ref string) string {
	tag := ref[strings.LastIndex(ref, ":")+1:]
	return "http://" + repositoryURL(ref) + "/manifests/" + tag
}

func repositoryURL(ref string) string {
	host, _, _ := strings.Cut(ref, "/")
	return host + "/v2/" + repositoryName(ref)
}

func repositoryName(ref string) string {
	_, name, _ := strings.Cut(ref, "/")
	return name[:strings.LastIndex(name, ":")]
}

// keypair PREFIX writes PREFIX.key and PREFIX.pub, as modferry keygen does, but in no time.
func cmdKeypair(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 1 || neg {
		ts.Fatalf("usage: keypair PREFIX")
	}
	ts.Check(signtest.WriteKeyPair(ts.MkAbs(args[0])))
}
