package e2e

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// job FILE NAME runs a job of an example in deploy/ci in the directory app, or has it fetch that repository, as its CI system
// does: with its own variables, arguments and probe, and with a shim that its own service, sidecar or container describes.
// Only names of hosts and paths of containers are others. What the CI system has to keep comes from $COSIGN_PUBLIC_KEY and the like; configuration maps and
// secrets are directories ci/NAME. What the job and its shim print is in the files job and shim.log.
func cmdJob(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: [!] job FILE NAME")
	}
	vars := kept{"token": "the-token-of-the-job"}
	for _, name := range []string{"COSIGN_PUBLIC_KEY", "COSIGN_PRIVATE_KEY", "COSIGN_PASSWORD", "DOCKER_AUTH_CONFIG", "DOCKER_AUTH_PULL"} {
		vars[name] = ts.Getenv(name)
	}
	j, err := readJob(args[0], args[1], vars)
	ts.Check(err)
	w := newCIWorld(ts)
	if j.fetches {
		w.dir, err = os.MkdirTemp(ts.MkAbs("tmp"), "source")
		ts.Check(err)
	}
	if j.shim != nil {
		w.mount(j)
		p := w.start(j.shim)
		defer func() {
			ts.Check(p.interrupt())
			vars.check(ts, p.output())
			ts.Check(writeFile(ts.MkAbs("shim.log"), p.output()))
		}()
	}
	var out bytes.Buffer
	for _, script := range j.scripts {
		if err = w.run(&out, j.env, "sh", "-ec", script); err != nil {
			break
		}
	}
	ts.Logf("%s", out.String())
	vars.check(ts, out.String())
	ts.Check(writeFile(ts.MkAbs("job"), out.String()))
	if (err != nil) != neg {
		ts.Fatalf("%s %s: %v", args[0], args[1], err)
	}
}

// check looks for what a CI system keeps secret in what everybody may read.
func (k kept) check(ts *testscript.TestScript, log string) {
	secrets := append(regexp.MustCompile(`[A-Za-z0-9+/=]{16,}`).FindAllString(k["DOCKER_AUTH_CONFIG"]+k["DOCKER_AUTH_PULL"]+k["COSIGN_PRIVATE_KEY"], -1), robotPassword, k["token"])
	for _, s := range secrets {
		if strings.Contains(log, s) {
			ts.Fatalf("%.20s… is in a log:\n%s", s, log)
		}
	}
}

// ciWorld is where a job runs.
type ciWorld struct {
	ts    *testscript.TestScript
	dir   string
	names []string // of the example's world, and of this one
	env   map[string]string
}

func newCIWorld(ts *testscript.TestScript) *ciWorld {
	w := &ciWorld{ts: ts, dir: ts.MkAbs("app"), env: make(map[string]string)}
	tmp := ts.MkAbs("tmp")
	ts.Check(os.MkdirAll(tmp, 0o755))
	// As in a container of its own, nothing is cached but what go has compiled.
	for _, name := range []string{"PATH", "GOCACHE", "GOENV", "GOTOOLCHAIN", "GOFLAGS", "MODFERRY_SUMDB"} {
		w.env[name] = ts.Getenv(name)
	}
	dir, err := os.MkdirTemp(tmp, "job")
	ts.Check(err)
	maps.Copy(w.env, map[string]string{"GITHUB_SERVER_URL": "file://" + ts.MkAbs("."), "GITHUB_REPOSITORY": "app", "GITHUB_SHA": "HEAD"})
	maps.Copy(w.env, map[string]string{"HOME": dir, "GOPATH": filepath.Join(dir, "go"), "GOSUMDB": ts.Getenv("GOSUMDB"), "GOPROXY": ts.Getenv("GOPROXY")})
	w.names = []string{
		"harbor.inside/golang", ts.Getenv("STORE"), "harbor.example/golang", ts.Getenv("STORE"),
		"/usr/local/bin/modferry", "modferry", "/tmp/", dir + "/", "/var/cache/modferry", filepath.Join(dir, "cache"),
	}
	return w
}

// here returns a text of the example with the names of this world.
func (w *ciWorld) here(text string) string {
	if text == "/tmp" {
		text += "/"
	}
	return strings.NewReplacer(w.names...).Replace(text)
}

func (w *ciWorld) command(env map[string]string, argv ...string) *exec.Cmd {
	all := maps.Clone(w.env)
	for name, value := range env {
		all[name] = w.here(value)
	}
	for i := range argv {
		argv[i] = w.here(argv[i])
	}
	if argv[0] == "modferry" {
		argv[0] = os.Getenv(envModferry)
	}
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Dir, cmd.Env = w.dir, environ(all)
	return cmd
}

func (w *ciWorld) run(out *bytes.Buffer, env map[string]string, argv ...string) error {
	cmd := w.command(env, argv...)
	cmd.Stdout, cmd.Stderr = out, out
	fmt.Fprintf(out, "$ %s\n", argv[len(argv)-1])
	return cmd.Run()
}

// mount gives the shim's volumes a directory each, with what configuration maps and secrets have.
func (w *ciWorld) mount(j *ciJob) {
	for _, m := range j.shim.VolumeMounts {
		dir, err := os.MkdirTemp(w.ts.MkAbs("tmp"), m.Name)
		w.ts.Check(err)
		w.names = append([]string{m.MountPath, dir}, w.names...)
		for _, v := range j.volumes {
			if v.Name != m.Name {
				continue
			}
			if v.ConfigMap != nil {
				w.ts.Check(os.CopyFS(dir, os.DirFS(w.ts.MkAbs("ci/"+v.ConfigMap.Name))))
			}
			if v.Secret != nil {
				for _, item := range v.Secret.Items {
					w.ts.Check(writeFile(filepath.Join(dir, item.Path), w.ts.ReadFile("ci/"+v.Secret.SecretName+"/"+item.Key)))
				}
			}
		}
	}
}

// start starts the shim as its image does, on a free port, and waits until its probe succeeds, if it has one.
func (w *ciWorld) start(c *ciContainer) *process {
	env, args, err := image()
	w.ts.Check(err)
	maps.Copy(env, c.variables)
	if len(c.Args) > 0 {
		args = c.Args
	}
	env["MODFERRY_LISTEN"] = strings.ReplaceAll(env["MODFERRY_LISTEN"], "7070", "0")
	cmd := w.command(env, append([]string{"modferry"}, args...)...)
	p, err := startProcess(cmd, regexp.MustCompile(`(http://127\.0\.0\.1:[0-9]+)`))
	w.ts.Check(err)
	w.ts.Defer(p.kill)
	w.names = append([]string{"http://" + c.Name + ":7070", p.ready, "http://127.0.0.1:7070", p.ready}, w.names...)
	w.env["MODFERRY_LISTEN"] = strings.TrimPrefix(p.ready, "http://") // for who asks at the port that is the default
	if probe := c.probe(); len(probe) > 0 {
		delete(env, "MODFERRY_LISTEN")
		var out bytes.Buffer
		if err := w.run(&out, env, append(probe, "--wait", "1m")...); err != nil {
			w.ts.Fatalf("the probe: %v\n%s%s", err, out.String(), p.output())
		}
	}
	return p
}
