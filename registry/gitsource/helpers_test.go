package gitsource

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// userConfig is the git configuration that the tests see, and nothing of the machine's. Nothing that they write needs to
// survive a crash.
const userConfig = "[user]\n\tname = Ann\n\temail = ann@corp.example\n[init]\n\tdefaultBranch = main\n" +
	"\ttemplateDir =\n[core]\n\tfsync = none\n[maintenance]\n\tauto = false\n"

func TestMain(m *testing.M) {
	home, err := os.MkdirTemp("", "gitsource-home-*")
	if err == nil {
		err = setUpHome(home)
	}
	for name, value := range map[string]string{"HOME": home, "XDG_CONFIG_HOME": home, "GIT_CONFIG_NOSYSTEM": "1"} {
		err = errors.Join(err, os.Setenv(name, value))
	}
	code := 1
	if err == nil {
		code = m.Run()
	}
	if err = errors.Join(err, os.RemoveAll(home)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// setUpHome makes a home directory. Without a telemetry mode there the go command leaves processes behind that write there.
func setUpHome(home string) error {
	mode := filepath.Join(home, "go", "telemetry", "mode")
	return errors.Join(os.WriteFile(filepath.Join(home, ".gitconfig"), []byte(userConfig), 0o600),
		os.MkdirAll(filepath.Dir(mode), 0o755), os.WriteFile(mode, []byte("off"), 0o600))
}

// bench is a directory with the repositories of https://corp.example, where the go command finds them.
type bench struct {
	t     *testing.T
	dir   string
	env   []string // of the commands that are run here, and not by Pack
	clock int

	config string // of the repositories that are made
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{t: t, dir: t.TempDir(), config: "[core]\n\trepositoryformatversion = 0\n\tbare = false\n"}
	b.env = append(os.Environ(), "GOENV=off", "GOWORK=off", "GOPRIVATE=", "GONOPROXY=",
		"GOPROXY=direct", "GOSUMDB=off", "GOTOOLCHAIN=local", "GOFLAGS=-modcacherw", "GOVCS=*:all", "GO111MODULE=on", "GOINSECURE=",
		"GOPATH="+filepath.Join(b.dir, "gopath"), "GOMODCACHE="+filepath.Join(b.dir, "modcache"),
		"GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=url.file://"+filepath.ToSlash(b.dir)+"/.insteadOf", "GIT_CONFIG_VALUE_0=https://corp.example/")
	return b
}

// newUser is newBench for a user with a home directory, and so a git configuration, of their own. The test cannot be parallel.
func newUser(t *testing.T, settings ...string) *bench {
	t.Helper()
	home := t.TempDir()
	must(t, setUpHome(home))
	t.Setenv("HOME", home)
	t.Setenv("XDG_CONFIG_HOME", home)
	b := newBench(t)
	for _, setting := range settings {
		name, value, _ := strings.Cut(setting, "=")
		b.git(b.dir, "config", "--global", name, value)
	}
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
	cmd.Env = append(slices.Clip(b.env), "PWD="+dir, "GIT_COMMITTER_DATE="+date, "GIT_AUTHOR_DATE=2020-01-01T00:00:00Z")
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
	for _, sub := range []string{"objects", "refs/heads", "refs/tags"} { // as git init does, but faster
		must(b.t, os.MkdirAll(filepath.Join(dir, ".git", sub), 0o755))
	}
	b.write(dir, ".git/HEAD", "ref: refs/heads/main\n")
	// This is how the go command writes the address, too, without Ann.
	b.write(dir, ".git/config", b.config+"[remote \"origin\"]\n\turl = https://ann:secret@corp.example/"+name+"\n")
	b.do(dir, steps...)
	return dir
}

// head is the commit checked out, as git rev-parse would say with one process more.
func (b *bench) head(dir string) string {
	b.t.Helper()
	head, err := os.ReadFile(filepath.Join(dir, ".git", "HEAD"))
	must(b.t, err)
	if ref, ok := strings.CutPrefix(string(head), "ref: "); ok {
		head, err = os.ReadFile(filepath.Join(dir, ".git", strings.TrimSpace(ref)))
		must(b.t, err)
	}
	return strings.TrimSpace(string(head))
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
		case name == "tag" && !strings.Contains(rest, " "):
			b.write(dir, ".git/refs/tags/"+rest, b.head(dir)+"\n")
		default:
			b.git(dir, strings.Fields(step)...)
		}
	}
}

// packed packs and expects that to work, and to give the version that was asked for.
func packed(t *testing.T, o Options) *Package {
	t.Helper()
	p, err := Pack(t.Context(), o)
	must(t, err)
	t.Cleanup(func() { must(t, p.Close()) })
	if got := strings.TrimSuffix(p.Files.Module.Version, "+incompatible"); o.Version != "" && got != strings.TrimSuffix(o.Version, "+incompatible") {
		t.Errorf("packed version %s; want %s", p.Files.Module.Version, o.Version)
	}
	if o.Module != "" && p.Files.Module.Path != o.Module {
		t.Errorf("packed module %s; want %s", p.Files.Module.Path, o.Module)
	}
	return p
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
