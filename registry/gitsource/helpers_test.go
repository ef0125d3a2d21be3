package gitsource

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/modferry/modferry/artifact"
)

// bench is a home directory, and below it the repositories of https://corp.example as the go command finds
// them. Nothing of the machine's configuration is seen.
type bench struct {
	t     *testing.T
	dir   string
	home  string
	env   []string
	clock int
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{t: t, dir: t.TempDir()}
	b.home = filepath.Join(b.dir, "home")
	b.write(b.home, ".gitconfig", "[user]\n\tname = Ann\n\temail = ann@corp.example\n[init]\n\tdefaultBranch = main\n"+
		"[url \"file://"+filepath.ToSlash(b.dir)+"/\"]\n\tinsteadOf = https://corp.example/\n")
	b.write(b.home, "go/telemetry/mode", "off") // or the go command leaves processes behind that write there
	b.env = append(os.Environ(), "HOME="+b.home, "XDG_CONFIG_HOME="+b.home, "GIT_CONFIG_NOSYSTEM=1", "GOENV=off", "GOWORK=off", "GOPRIVATE=", "GONOPROXY=",
		"GOPROXY=direct", "GOSUMDB=off", "GOTOOLCHAIN=local", "GOFLAGS=-modcacherw", "GOVCS=*:all", "GO111MODULE=on", "GOINSECURE=",
		"GOPATH="+filepath.Join(b.dir, "gopath"), "GOMODCACHE="+filepath.Join(b.dir, "modcache"))
	return b
}

// isolate makes the process see what the bench's commands see. The test must not be parallel.
func (b *bench) isolate() *bench {
	b.t.Helper()
	b.t.Setenv("HOME", b.home)
	b.t.Setenv("XDG_CONFIG_HOME", b.home)
	b.t.Setenv("GIT_CONFIG_NOSYSTEM", "1")
	return b
}

func (b *bench) write(dir, name, content string) {
	b.t.Helper()
	file := filepath.Join(dir, filepath.FromSlash(name))
	must(b.t, os.MkdirAll(filepath.Dir(file), 0o755))
	must(b.t, os.WriteFile(file, []byte(content), 0o644))
}

func (b *bench) git(dir string, args ...string) string {
	b.t.Helper()
	b.clock++
	cmd := exec.Command("git", args...)
	cmd.Dir = dir
	date := fmt.Sprintf("2024-05-01T12:%02d:%02d+02:00", b.clock/60, b.clock%60)
	cmd.Env = append(b.env, "PWD="+dir, "GIT_COMMITTER_DATE="+date, "GIT_AUTHOR_DATE=2020-01-01T00:00:00Z")
	out, err := cmd.CombinedOutput()
	if err != nil {
		b.t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// checkout makes the repository of corp.example/mod.git, by steps, and returns its work tree. A step is
//
//	+name content   write a file; in the content \n is a new line
//	@name target    make a symbolic link
//	-name           remove a file
//	.               commit everything
//	other words     a git command
func (b *bench) checkout(steps ...string) string {
	b.t.Helper()
	return b.checkoutAs("mod", steps...)
}

func (b *bench) checkoutAs(name string, steps ...string) string {
	b.t.Helper()
	dir := filepath.Join(b.dir, name)
	must(b.t, os.MkdirAll(dir, 0o755))
	b.git(dir, "init", "--quiet")
	b.git(dir, "remote", "add", "origin", "https://ann:secret@corp.example/"+name) // which is how the go command writes it, too, without Ann
	b.do(dir, steps...)
	return dir
}

func (b *bench) do(dir string, steps ...string) {
	b.t.Helper()
	for _, step := range steps {
		name, rest, _ := strings.Cut(step, " ")
		file := filepath.Join(dir, filepath.FromSlash(name[1:]))
		switch {
		case step == ".":
			b.git(dir, "add", "--all")
			b.git(dir, "commit", "--quiet", "--allow-empty", "-m", "change")
		case name[0] == '+':
			b.write(dir, name[1:], strings.ReplaceAll(rest, `\n`, "\n"))
		case name[0] == '@':
			must(b.t, os.Symlink(rest, file))
		case name[0] == '-' && name != "-c":
			must(b.t, os.Remove(file))
		default:
			b.git(dir, strings.Fields(step)...)
		}
	}
}

// download is what "go mod download -json" says.
type download struct {
	Version, Error     string
	Info, GoMod        string // names of files
	Sum, GoModSum, Zip string
}

// download asks the go command for a module. It looks for it where the module path says.
func (b *bench) download(query string, env ...string) download {
	b.t.Helper()
	cmd := exec.Command("go", "mod", "download", "-json", query)
	cmd.Dir = b.home
	cmd.Env = append(append(b.env, "PWD="+b.home), env...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var d download
	if e := json.Unmarshal(out.Bytes(), &d); e != nil {
		b.t.Fatalf("go mod download %s: %v, %v\n%s%s", query, err, e, out.Bytes(), errs.Bytes())
	}
	return d
}

// packed packs and expects that to work.
func packed(t *testing.T, o Options) *Package {
	t.Helper()
	p, err := Pack(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { must(t, p.Close()) })
	return p
}

// equal compares a package with what the go command made.
func equal(t *testing.T, p *Package, want download) {
	t.Helper()
	if want.Error != "" {
		t.Fatalf("the go command refuses what was packed as %v: %s", p.Files.Module, want.Error)
	}
	if p.Files.Module.Version != want.Version {
		t.Errorf("version %s, go has %s", p.Files.Module.Version, want.Version)
	}
	for name, got := range map[string][]byte{want.Info: p.Files.Info, want.GoMod: p.Files.GoMod} {
		data, err := os.ReadFile(name)
		must(t, err)
		if string(got) != string(data) {
			t.Errorf("%s: got\n%s\ngo has\n%s", filepath.Ext(name), got, data)
		}
	}
	a, err := artifact.Build(p.Files)
	must(t, err)
	if a.Manifest.Sum != want.Sum || a.Manifest.GoModSum != want.GoModSum {
		t.Errorf("sums %s and %s, go has %s and %s", a.Manifest.Sum, a.Manifest.GoModSum, want.Sum, want.GoModSum)
	}
}

func refused(t *testing.T, o Options, want error, says ...string) {
	t.Helper()
	p, err := Pack(t.Context(), o)
	if err == nil {
		t.Errorf("%v was packed; want %v", p.Files.Module, want)
		must(t, p.Close())
		return
	}
	if want != nil && !errors.Is(err, want) {
		t.Errorf("error %q is not %q", err, want)
	}
	for _, s := range says {
		if !strings.Contains(err.Error(), s) {
			t.Errorf("error %q lacks %q", err, s)
		}
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
