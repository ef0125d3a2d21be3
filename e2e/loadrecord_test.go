package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"iter"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/module"

	"github.com/modferry/modferry/e2e/load"
)

// envLoadRecord is a directory that keeps the store of TestRecordDay between runs; unset: nothing is recorded.
const envLoadRecord = "LOAD_RECORD"

// recordedProjects are of three sizes: 6, some 150, and some 550 modules that a build reads.
var recordedProjects = []string{
	"github.com/spf13/cobra@v1.10.2", "sigs.k8s.io/controller-runtime@v0.25.2", "github.com/sigstore/cosign/v3@v3.1.3",
}

const govulncheck = "golang.org/x/vuln/cmd/govulncheck@v1.9.0"

// TestRecordDay records what real commands ask a shim for, command by command and project by project, from the shim's own
// audit log, in load/day.tsv, which the load test plays. It mirrors the projects from the configured GOPROXY the first time.
func TestRecordDay(t *testing.T) {
	dir := os.Getenv(envLoadRecord)
	if dir == "" {
		t.Skipf("%s is not set; run make load-record", envLoadRecord)
	}
	var sessions []load.Session
	for _, project := range recordedProjects {
		for s := range newRecorder(t, dir, project).day() {
			sessions = append(sessions, s)
			var table bytes.Buffer
			if err := errors.Join(load.WriteSessions(&table, sessions), os.WriteFile("load/day.tsv", table.Bytes(), 0o644)); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// recorder is a project, and a shim with all that it needs.
type recorder struct {
	t       *testing.T
	name    string // for the record
	dir     string // of the store and the projects
	project string // directory
	tls     string // FILE of FILE.crt and FILE.key
	shim    *process
	audit   string // file
	offset  int64  // of it that was read
	home    string // GOPATH of the developer; one of a job is thrown away after it
}

func newRecorder(t *testing.T, dir, project string) *recorder {
	dir, err := filepath.Abs(dir)
	r := &recorder{t: t, dir: dir, home: t.TempDir(), tls: filepath.Join(t.TempDir(), "shim")}
	r.check(errors.Join(err, writeCertificate(r.tls, "shim")))
	base, _, _ := strings.Cut(project, "@")
	prefix, _, _ := module.SplitPathVersion(base)
	r.name = path.Base(prefix)
	r.project = filepath.Join(dir, r.name)
	r.fetch(project)
	return r
}

// serve starts a shim with an empty cache, which is asked from now on.
func (r *recorder) serve(more ...string) {
	if r.shim != nil {
		r.shim.kill()
	}
	r.audit, r.offset = filepath.Join(r.t.TempDir(), "audit.log"), 0
	args := []string{
		"serve", "--listen", "127.0.0.1:0", "--audit-log", r.audit, "--key", filepath.Join(r.dir, "cosign.pub"),
		"--registry", "oci:" + filepath.Join(r.dir, "store"), "--cache", r.t.TempDir(),
	}
	var err error
	r.shim, err = startProcess(exec.CommandContext(r.t.Context(), os.Getenv(envModferry), append(args, more...)...), listeningAt)
	r.check(err)
	r.t.Cleanup(r.shim.kill)
}

func (r *recorder) check(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// fetch unpacks the project and mirrors it, with all that its module graph names.
func (r *recorder) fetch(project string) {
	if _, err := os.Stat(r.project); err == nil {
		return
	}
	r.check(os.MkdirAll(r.dir, 0o777))
	out, err := exec.CommandContext(r.t.Context(), "go", "mod", "download", "-json", project).Output()
	r.check(err)
	var m struct{ Dir string }
	r.check(json.Unmarshal(out, &m))
	modferry, unpacked := os.Getenv(envModferry), r.project+".new"
	r.check(os.RemoveAll(unpacked))
	store := []string{"mirror", "--key", "cosign.key", "--registry", "oci:store"}
	steps := [][]string{
		{"cp", "-r", m.Dir, unpacked},
		{"chmod", "-R", "u+w", unpacked},
		append([]string{modferry}, append(store, unpacked)...),
		append([]string{modferry}, append(store, "--tool", govulncheck)...),
		{"mv", unpacked, r.project},
	}
	if _, err := os.Stat(filepath.Join(r.dir, "cosign.key")); err != nil {
		steps = slices.Insert(steps, 0, []string{modferry, "keygen"})
	}
	for _, step := range steps {
		cmd := exec.CommandContext(r.t.Context(), step[0], step[1:]...)
		cmd.Dir, cmd.Env = r.dir, append(os.Environ(), benchPassword)
		cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
		r.check(cmd.Run())
	}
}

// day runs what happens in a day. "cold" is without a module cache, as in a job of CI; what "warm" has, the commands before
// have left.
func (r *recorder) day() iter.Seq[load.Session] {
	build := []string{"list", "-deps", "./..."} // reads what go build ./... reads, and compiles nothing
	return func(yield func(load.Session) bool) {
		r.serve("--tls-cert", r.tls+".crt", "--tls-key", r.tls+".key")
		yield(r.job("mod download, cold, HTTPS", "mod", "download"))
		r.serve()
		yield(r.job("mod download, cold", "mod", "download"))
		yield(r.job("build, cold", build...))
		yield(r.job("mod tidy, cold", "mod", "tidy"))
		yield(r.job("install govulncheck, cold", "install", govulncheck))
		for _, c := range []struct {
			name string
			args []string
		}{
			{"first build", build},
			{"build, warm", build},
			{"mod tidy, first", []string{"mod", "tidy"}},
			{"mod tidy, warm", []string{"mod", "tidy"}},
			{"list -m -u all", []string{"list", "-m", "-u", "-e", "all"}},
			{"list -m -u all, again", []string{"list", "-m", "-u", "-e", "all"}},
			{"get -u", []string{"get", "-u", "./..."}},
		} {
			yield(r.record(c.name, func() { r.run(r.home, c.args...) }))
		}
		yield(r.record("Renovate", r.renovate))
		r.shim.kill()
		r.check(os.RemoveAll(r.home))
	}
}

// job records a go command that begins with nothing.
func (r *recorder) job(name string, args ...string) load.Session {
	home := r.t.TempDir()
	defer os.RemoveAll(home)
	return r.record(name, func() { r.run(home, args...) })
}

// run runs a go command in a copy of the project, as on a machine of 8 cores, by which it decides how much to ask for at a
// time. What it could not find is a part of the record, and not an error here.
func (r *recorder) run(home string, args ...string) {
	dir := r.t.TempDir()
	r.check(os.CopyFS(dir, os.DirFS(r.project)))
	cmd := exec.CommandContext(r.t.Context(), "go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOPROXY="+r.shim.ready, "GOPATH="+home, "GOMODCACHE="+filepath.Join(home, "mod"), "GOWORK=off",
		"GOFLAGS=-modcacherw", "GOTOOLCHAIN=local", "GONOPROXY=", "GOPRIVATE=", "GONOSUMDB=", "GOENV=off", "GOSUMDB=sum.golang.org", "GOMAXPROCS=8",
		"SSL_CERT_FILE="+r.tls+".crt")
	if out, err := cmd.CombinedOutput(); err != nil {
		r.t.Logf("%s: go %s: %v\n%.500s", r.name, strings.Join(args, " "), err, out)
	}
}

// auditLine is what is read of a line of the audit log.
type auditLine struct {
	Time    time.Time
	Client  string
	Path    string
	File    string
	Outcome string
	Bytes   int64
	Seconds float64
}

// record runs something, and returns what it asked the shim for.
func (r *recorder) record(name string, do func()) load.Session {
	benchHTTP.CloseIdleConnections()
	do()
	if strings.HasPrefix(r.shim.ready, "http://") {
		r.check(get(r.t.Context(), r.shim.ready+"/-/healthz")) // the lines before it are written
	}
	f, err := os.Open(r.audit)
	r.check(err)
	defer f.Close()
	_, err = f.Seek(r.offset, 0)
	r.check(err)
	var lines []auditLine
	for s := bufio.NewScanner(f); s.Scan(); {
		var l auditLine
		r.check(json.Unmarshal(s.Bytes(), &l))
		r.offset += int64(len(s.Bytes())) + 1
		if !strings.HasPrefix(l.Path, "/-/") {
			lines = append(lines, l)
		}
	}
	s := summarize(lines)
	s.Project, s.Command = r.name, name
	return s
}

// summarize counts requests by kind, and finds how many connections they came on, how many there were at a time, and for
// what share of the time there was none.
func summarize(lines []auditLine) load.Session {
	s := load.Session{Requests: map[string]int{}}
	clients := map[string]bool{}
	type edge struct {
		at    time.Time
		delta int
	}
	var edges []edge
	for _, l := range lines {
		kind := l.File
		if l.Outcome != "served" {
			kind = "absent"
		}
		s.Requests[kind]++
		s.Bytes += l.Bytes
		clients[l.Client] = true
		edges = append(edges, edge{l.Time, 1}, edge{l.Time.Add(time.Duration(l.Seconds * float64(time.Second))), -1})
	}
	s.Connections = len(clients)
	slices.SortFunc(edges, func(a, b edge) int { return a.at.Compare(b.at) })
	active, idle := 0, time.Duration(0)
	for i, e := range edges {
		if active == 0 && i > 0 {
			idle += e.at.Sub(edges[i-1].at)
		}
		active += e.delta
		s.Parallel = max(s.Parallel, active)
	}
	if n := len(edges); n > 0 {
		if all := edges[n-1].at.Sub(edges[0].at); all > 0 {
			s.Idle = idle.Seconds() / all.Seconds()
		}
	}
	return s
}
