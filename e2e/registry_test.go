package e2e

import (
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/crypto/bcrypt"
)

// The account of the registry that wants a password.
const (
	robot         = "robot"
	robotPassword = "s3cret-of-robot"
)

type registryOptions struct {
	bin            string // "" = what REGISTRY_BIN names
	user, password string // both empty: anybody may push
	data           string // directory that outlives the test; "" = a temporary one
	behind         string // host:port of the registry that it is a pull-through cache of, if it is one
	remember       bool   // in memory, which blobs there are
}

// distribution is a running CNCF distribution registry on a loopback port.
type distribution struct {
	addr           string
	user, password string

	bin, config, data string
	process           *process
}

// startRegistry starts the registry binary and returns once it answers. It stops with the test.
func startRegistry(t testing.TB, o registryOptions) *distribution {
	t.Helper()
	d := &distribution{user: o.user, password: o.password, bin: cmp.Or(o.bin, os.Getenv(envRegistry))}
	if d.bin == "" {
		t.Fatalf("%s is not set; run make e2e, which fetches the registry", envRegistry)
	}
	dir := t.TempDir()
	more := ""
	if o.user != "" {
		hash, err := bcrypt.GenerateFromPassword([]byte(o.password), bcrypt.MinCost)
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, "htpasswd"), o.user+":"+string(hash)+"\n")
		more = fmt.Sprintf("auth:\n  htpasswd:\n    realm: e2e\n    path: %s\n", filepath.Join(dir, "htpasswd"))
	}
	if o.behind != "" {
		more += fmt.Sprintf("proxy: {remoteurl: \"http://%s\"}\n", o.behind)
	}
	d.config, d.data = filepath.Join(dir, "config.yml"), cmp.Or(o.data, filepath.Join(dir, "data"))
	cache := ""
	if o.remember {
		cache = "  cache: {blobdescriptor: inmemory}\n"
	}
	write(t, d.config, fmt.Sprintf(`version: 0.1
log: {level: info, accesslog: {disabled: true}}
storage:
  filesystem: {rootdirectory: %s}
  delete: {enabled: true}
  maintenance: {uploadpurging: {enabled: false}}
%shttp: {addr: "127.0.0.1:0"}
%s`, d.data, cache, more))
	if err := d.start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		d.process.kill()
		if t.Failed() {
			t.Logf("registry log:\n%s", d.process.output())
		}
	})
	return d
}

// start starts the registry, on another port than before.
func (d *distribution) start() error {
	cmd := exec.Command(d.bin, "serve", d.config)
	cmd.Env = append(os.Environ(), "OTEL_TRACES_EXPORTER=none")
	p, err := startProcess(cmd, regexp.MustCompile(`listening on ([0-9.:]+)`))
	if err != nil {
		return err
	}
	d.process, d.addr = p, p.ready
	return nil
}

// restart ends the registry as a machine that is switched off does, and starts it again.
func (d *distribution) restart() error {
	d.process.kill()
	return d.start()
}

// collectGarbage has the registry remove, while it is down, all that no tag leads to.
func (d *distribution) collectGarbage() error {
	d.process.kill()
	if out, err := exec.Command(d.bin, "garbage-collect", "--delete-untagged", d.config).CombinedOutput(); err != nil {
		return fmt.Errorf("collecting garbage: %w\n%s", err, out)
	}
	return d.start()
}

// open gives a script a namespace and an address of its own (see relay) and, where the registry wants one,
// the password in the docker configuration, as docker login leaves it.
func (d *distribution) open(t *testing.T, env *testscript.Env) {
	r, err := startRelay(d.addr)
	if err != nil {
		t.Fatal(err)
	}
	env.Defer(r.close)
	env.Values[outageKey{}] = outage(r)
	env.Values[upkeepKey{}] = &upkeep{d, r}
	addr := r.listener.Addr().String()
	env.Setenv("REGISTRY", addr)
	env.Setenv("REGISTRY_DATA", d.data)
	env.Setenv("STORE", addr+"/e2e/"+strings.TrimPrefix(filepath.Base(env.WorkDir), "script-"))
	if d.user == "" {
		return
	}
	dir := filepath.Join(env.WorkDir, ".docker")
	env.Setenv("DOCKER_CONFIG", dir)
	if err := writeLogin(dir, addr, d.user, d.password); err != nil {
		t.Fatal(err)
	}
}

// openCache gives a script a pull-through cache of the registry, with a namespace of its own. The registry itself is
// $BEHIND, and its outage is one for the cache only.
func (d *distribution) openCache(t *testing.T, env *testscript.Env) {
	r, err := startRelay(d.addr)
	if err != nil {
		t.Fatal(err)
	}
	env.Defer(r.close)
	env.Values[outageKey{}] = outage(r)
	cache := startRegistry(t, registryOptions{bin: d.bin, behind: r.listener.Addr().String()})
	namespace := "/e2e/" + strings.TrimPrefix(filepath.Base(env.WorkDir), "script-")
	env.Setenv("REGISTRY", cache.addr)
	env.Setenv("STORE", cache.addr+namespace)
	env.Setenv("BEHIND", d.addr+namespace)
}

func write(t testing.TB, name, content string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}
