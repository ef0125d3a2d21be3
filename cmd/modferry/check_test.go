package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/modferry/modferry/cmd/modferry/internal/command"
)

// checked is a bench with a project that uses example.com/a and example.com/b, of which the store has a.
func checked(t *testing.T) (b *bench, public string) {
	t.Helper()
	b = newBench(t)
	private, public := b.keys("cosign")
	b.upstream("example.com/a@v1.0.0", "example.com/b@v1.0.0")
	must(t, os.Mkdir(b.path("app"), 0o700))
	b.write("app/go.mod", "module corp.example/app\n\ngo 1.24\n\nrequire (\n\texample.com/a v1.0.0\n\texample.com/b v1.0.0\n)\n")
	b.write("app/main.go", "package main\n\nimport (\n\t_ \"example.com/a\"\n\t_ \"example.com/b\"\n)\n\nfunc main() {}\n")
	t.Setenv("GOMODCACHE", b.path("modcache"))
	t.Setenv("GOFLAGS", "-modcacherw")
	tidy := exec.Command("go", "mod", "tidy")
	tidy.Dir = b.path("app")
	tidy.Env = append(os.Environ(), "GOPROXY="+b.env["MODFERRY_UPSTREAM"])
	if out, err := tidy.CombinedOutput(); err != nil {
		t.Fatalf("go mod tidy: %v\n%s", err, out)
	}
	b.run("mirror", "--key", private, "example.com/a@v1.0.0").exits(command.ExitOK)
	return b, public
}

// complete mirrors what the project needs.
func (b *bench) complete() {
	b.t.Helper()
	b.run("mirror", "--key", b.path("cosign.key"), b.path("app", "go.sum")).exits(command.ExitOK)
}

func TestCheckOfAProjectThatWorks(t *testing.T) {
	b, public := checked(t)
	b.complete()
	r := b.run("check", "--key", public, b.path("app")).exits(command.ExitOK).
		says("go mod download", "go build ./...", "go vet ./...", "go mod verify", "go mod tidy", "go list -m all").
		says("The project works from the store alone: 6 commands, all well.", "Nobody but the store was asked: oci:"+b.path("store"))
	if strings.Contains(r.out, "FAILED") || strings.Contains(r.out, "missing") || strings.Contains(r.err, "modferry:") {
		t.Errorf("it also says\n%s%s", r.out, r.err)
	}
	t.Chdir(b.path("app"))
	b.run("check", "--key", public).exits(command.ExitOK)
}

func TestCheckListsWhatIsMissing(t *testing.T) {
	b, public := checked(t)
	wishes := b.path("wishes.txt")
	b.run("check", "--key", public, "--wishlist", wishes, b.path("app")).exits(command.ExitItems).
		says(" go mod download\n", "1 module version is missing:\n    example.com/b v1.0.0\n", "modferry mirror --key cosign.key "+wishes).
		says("Nobody but the store was asked").
		complains("modferry: 6 of 6 commands failed")
	got, err := os.ReadFile(wishes)
	if err != nil || !strings.HasPrefix(string(got), "example.com/b v1.0.0  # ") || strings.Count(string(got), "\n") != 1 {
		t.Errorf("wish list: %q, %v", got, err)
	}
	b.run("mirror", "--key", b.path("cosign.key"), wishes).exits(command.ExitOK).says("1 new")
	b.run("check", "--key", public, "--wishlist", wishes, b.path("app")).exits(command.ExitOK)
	if again, _ := os.ReadFile(wishes); string(again) != string(got) {
		t.Errorf("a project that works changed the wish list: %q", again)
	}
}

func TestCheckTellsThePackagesThatTheProjectLacks(t *testing.T) {
	b, public := checked(t)
	b.complete()
	b.write("app/gone.go", "package main\n\nimport _ \"corp.example/app/gone\"\n")
	r := b.run("check", "--key", public, "--wishlist", b.path("wishes.txt"), b.path("app")).exits(command.ExitItems).
		says("1 package is missing in the project itself:\n    corp.example/app/gone\n", "what failed lies in the project")
	if _, err := os.Stat(b.path("wishes.txt")); err == nil || strings.Contains(r.out, "mirror them") {
		t.Errorf("nobody can mirror that: %v\n%s", err, r.out)
	}
}

func TestCheckDoesNotTrustTheCacheOfAnEarlierShim(t *testing.T) {
	b, public := checked(t)
	b.complete()
	cache := b.path("cache") // as MODFERRY_CACHE names it
	b.run("run", "--key", public, "--", "go", "mod", "download", "example.com/a@v1.0.0", "example.com/b@v1.0.0").exits(command.ExitOK)
	must(t, os.Rename(b.path("store"), b.path("gone")))
	b.run("check", "--key", public, b.path("app")).exits(command.ExitFailed).complains("nothing was checked: ")
	b.upstream("example.com/other@v1.0.0")
	b.run("mirror", "--key", b.path("cosign.key"), "--static", "example.com/other@v1.0.0").exits(command.ExitOK)
	b.run("check", "--key", public, b.path("app")).exits(command.ExitItems)
	if _, err := os.Stat(cache); err != nil {
		t.Error(err)
	}
}

func TestCheckBlamesTheProjectForWhatIsItsOwnFault(t *testing.T) {
	b, public := checked(t)
	b.complete()
	b.write("app/broken.go", "package main\n\nvar x = undefined\n")
	r := b.run("check", "--key", public, b.path("app")).exits(command.ExitItems).
		says("./broken.go:3:9: undefined: undefined", "The store had everything that was asked for: what failed lies in the project").
		complains("2 of 6 commands failed")
	if strings.Contains(r.out, "missing") {
		t.Errorf("a compile error is no missing module:\n%s", r.out)
	}
	b.write("app/broken.go", "package main\n")
	b.write("app/main.go", "package main\n\nimport _ \"example.com/a\"\n\nfunc main() {}\n")
	b.run("check", "--key", public, b.path("app")).exits(command.ExitItems).
		says(" go mod tidy\n", "-example.com/b v1.0.0", "run go mod tidy, and mirror the project again").complains("1 of 6 commands failed")
}

func TestCheckOfWhatNobodySignedIsRefused(t *testing.T) {
	b, public := checked(t)
	b.run("mirror", "--no-sign", "example.com/b@v1.0.0").exits(command.ExitOK)
	r := b.run("check", "--key", public, b.path("app")).exits(command.ExitRefused).
		says("FAILED", "1 module version was refused, for a signature or a hash is not right:\n    example.com/b@v1.0.0: ").
		complains("refused")
	if strings.Contains(r.out, "missing") {
		t.Errorf("a refused module is not missing:\n%s", r.out)
	}
}

func TestCheckJSON(t *testing.T) {
	b, public := checked(t)
	r := b.run("check", "--key", public, "--json", "--platform", "linux/amd64,windows/amd64", b.path("app")).exits(command.ExitItems)
	lines := jsonLines[map[string]any](r)
	if len(lines) != 10 {
		t.Fatalf("%d lines, want 8 commands, 1 missing and a summary:\n%s", len(lines), r.out)
	}
	if l := lines[4]; l["command"] != "go vet ./..." || l["platform"] != "windows/amd64" || l["status"] != "failed" || l["said"] == "" {
		t.Errorf("fifth line: %v", l)
	}
	if lines[8]["missing"] != "example.com/b v1.0.0" {
		t.Errorf("missing: %v", lines[8])
	}
	summary, _ := lines[9]["summary"].(map[string]any)
	if summary["commands"] != 8.0 || summary["failed"] != 8.0 || summary["missing"] != 1.0 || summary["dialled"] != 0.0 {
		t.Errorf("summary: %v", summary)
	}
}

func TestCheckNeedsAProjectKeysAndPlatforms(t *testing.T) {
	b, public := checked(t)
	must(t, os.Mkdir(b.path("tmp"), 0o700))
	t.Setenv("TMPDIR", b.path("tmp"))
	b.run("check", "--key", public, b.dir).exits(command.ExitFailed).complains("no Go project", "hint:")
	b.run("check", b.path("app")).exits(command.ExitUsage).complains("--key is needed")
	b.run("check", "--key", public, "--platform", "linux", b.path("app")).exits(command.ExitUsage).complains("--platform", `"linux"`, "linux/amd64")
	b.run("check", "--key", public, b.path("app"), b.path("app")).exits(command.ExitUsage)
	for _, tags := range []string{"a b", " -x", "a,", "-x", "!a"} {
		b.run("check", "--key", public, "--tags", tags, b.path("app")).exits(command.ExitUsage).complains("--tags")
	}
	b.run("check", "--key", public, "--wishlist", b.dir, b.path("app")).exits(command.ExitUsage).complains("--wishlist", "not a regular file")
	b.run("check", "--key", public, "--wishlist", b.path("none", "wishes.txt"), b.path("app")).exits(command.ExitFailed).complains("the wish list could not be written")
	t.Setenv("PATH", b.dir)
	b.run("check", "--key", public, b.path("app")).exits(command.ExitFailed).complains("no go command")
	if left, err := os.ReadDir(b.path("tmp")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestCheckOfOneModuleOfAWorkspaceNeedsToBeSaid(t *testing.T) {
	b, public := checked(t)
	b.complete()
	work := b.write("go.work", "go 1.24\n\nuse ./app\n")
	b.run("check", "--key", public, b.path("app")).exits(command.ExitUsage).complains(work, "hint:", "GOWORK=off")
	b.env["GOWORK"] = "off"
	b.run("check", "--key", public, b.path("app")).exits(command.ExitOK)
	b.env["GOWORK"] = ""
	b.write("go.work", "go 1.24\n\nuse ./other\n")
	b.run("check", "--key", public, b.path("app")).exits(command.ExitOK)
	must(t, os.Mkdir(b.path("w"), 0o700))
	b.env["GOWORK"] = b.write("w/go.work", "go 1.24\n\nuse ../app\n")
	b.run("check", "--key", public, b.path("app")).exits(command.ExitUsage).complains(b.path("w"))
}

func TestCheckNamesProblemsOfTheProject(t *testing.T) {
	b, public := checked(t)
	b.complete()
	b.write("go.work", "go 1.24\n\nuse ./app\nuse ./gone\n")
	b.run("check", "--key", public, b.dir).exits(command.ExitItems).complains("go.work:4", "gone")
}

func TestCheckTellsRefusalsFromFailures(t *testing.T) {
	b, public := checked(t)
	b.run("check", "--key", public, "--registry", "example.com/b=none,oci:"+b.path("store"), b.path("app")).exits(command.ExitItems).
		says("refused ", "That is its decision", "    example.com/b: no store for this module path: ").complains("commands failed")
}
