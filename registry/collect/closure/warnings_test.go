package closure

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/modferry/modferry/registry/gocmd"
)

// onlyWarning returns the text of all warnings and checks that each contains one of the texts.
func checkWarnings(t *testing.T, r *Result, texts ...string) {
	t.Helper()
	if len(r.Warnings) != len(texts) {
		t.Errorf("%d warnings, want %d", len(r.Warnings), len(texts))
	}
	for i, w := range r.Warnings {
		t.Logf("warning: %v", w)
		if i < len(texts) && !strings.Contains(w.Error(), texts[i]) {
			t.Errorf("warning %q has no %q", w, texts[i])
		}
		if strings.Contains(w.Error(), "127.0.0.1") || strings.Contains(w.Error(), os.TempDir()+"/modferry") {
			t.Errorf("warning %q names what nobody knows", w)
		}
	}
}

func projectOf(t *testing.T, o Options, dir string) *Result {
	t.Helper()
	before := snapshot(t, dir)
	r, err := newRunner(t, o).Project(t.Context(), load(t, dir), ProjectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if after := snapshot(t, dir); after != before {
		t.Errorf("the project was changed from\n%s to\n%s", before, after)
	}
	return r
}

// snapshot is all of a directory as text.
func snapshot(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(name)
		st, _ := d.Info()
		b.WriteString(name + " " + st.ModTime().String() + "\n" + string(data) + "\n")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestAProjectWithoutRequirementsNeedsNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, map[string]string{"go.mod": "module corp.example/p\n\ngo 1.24\n", "p.go": "package p\n"})
	r := projectOf(t, Options{Source: upstream(t)}, dir)
	checkWarnings(t, r)
	if len(r.Needs) > 0 {
		t.Errorf("needs\n%s", show(r.Needs))
	}
}

func TestAnUntidyProjectIsTidiedInACopy(t *testing.T) {
	t.Parallel()
	up := upstream(t)
	untidy := map[string]string{
		"go.mod": "module corp.example/p\n\ngo 1.24\n\nrequire example.com/leaf v1.1.0\n",
		"p.go":   "package p\n\nimport _ \"example.com/lib\"\n",
	}
	dir := t.TempDir()
	write(t, dir, untidy)
	r := projectOf(t, Options{Source: up}, dir)
	checkWarnings(t, r, "go mod tidy")
	off := up.offline(t, r)
	for _, c := range []string{"mod tidy", "build ./...", "test ./...", "list -m all", "mod download"} {
		worksOffline(t, off, dir, nil, strings.Fields(c)...)
	}
}

func TestALineOfGoSumTooManyIsNoLack(t *testing.T) {
	t.Parallel()
	up := upstream(t)
	dir := newProject(t, up, with(projectFiles, "go.mod", "module corp.example/p\n\ngo 1.24\n"), ".")
	sum := filepath.Join(dir, "go.sum")
	data, err := os.ReadFile(sum)
	if err != nil {
		t.Fatal(err)
	}
	const h1 = "h1:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
	write(t, dir, map[string]string{"go.sum": string(data) + "example.com/lost v1.0.0 " + h1 + "\nexample.com/lost v1.0.0/go.mod " + h1 + "\n"})
	r := projectOf(t, Options{Source: up}, dir)
	checkWarnings(t, r)
	n := find(t, r, "example.com/lost@v1.0.0")
	if n == nil || n.ModOnly || n.Sum != h1 || n.GoModSum != h1 || !strings.HasPrefix(n.From, sum+":") {
		t.Errorf("need %+v", n)
	}
}

func TestAModuleThatIsGoneIsANeedAndTheRestIsGood(t *testing.T) {
	t.Parallel()
	up := upstream(t).copy(t)
	dir := newProject(t, up, with(projectFiles, "go.mod", "module corp.example/p\n\ngo 1.24\n"), ".")
	want := projectOf(t, Options{Source: up}, dir)
	for _, gone := range []string{"example.com/win@v0.3.0", "example.com/unused@v1.0.0", "example.com/oldtest@v1.0.0"} {
		t.Run(mod(gone).Path[len("example.com/"):], func(t *testing.T) {
			less := up.copy(t)
			if err := os.RemoveAll(filepath.Dir(less.file(mod(gone), ""))); err != nil {
				t.Fatal(err)
			}
			r := projectOf(t, Options{Source: less}, dir)
			checkWarnings(t, r)
			if find(t, r, gone) == nil || !r.Partial {
				t.Errorf("%s is not named, or taken for all: partial %v", gone, r.Partial)
			}
			for _, n := range want.Needs {
				if got := find(t, r, n.Module.String()); n.Module != mod(gone) && (got == nil || got.ModOnly && !n.ModOnly) {
					t.Errorf("%s: got %+v, want %+v", n.Module, got, n)
				}
			}
		})
	}
}

func TestAProjectThatDemandsANewerGo(t *testing.T) {
	t.Parallel()
	up := upstream(t)
	dir := newProject(t, up, with(projectFiles, "go.mod", "module corp.example/p\n\ngo 1.24\n"), ".")
	goMod, err := os.ReadFile(dir + "/go.mod")
	if err != nil {
		t.Fatal(err)
	}
	write(t, dir, map[string]string{"go.mod": strings.Replace(string(goMod), "go 1.24", "go 1.99.1", 1)})
	r := projectOf(t, Options{Source: up}, dir)
	checkWarnings(t, r, "demands go1.99.1, but this is go1.")
	if n := find(t, r, "example.com/lib@v1.1.0"); n == nil || n.Sum == "" || n.ModOnly {
		t.Errorf("what go.sum lists is lost: %+v", n)
	}
}

func TestOfSumsThatContradictEachOtherTheFirstCounts(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const a, b = "h1:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=", "h1:FZfOeiq8UbSZAsYAgw+/oVNdVYMaLZfDCVtXFm3jcmo="
	write(t, dir, map[string]string{
		"go.mod": "module corp.example/p\n\ngo 1.24\n",
		"go.sum": "example.com/x v1.0.0 " + a + "\nexample.com/x v1.0.0 " + b + "\nexample.com/y v1.0.0 h2:x\n\n",
	})
	r := projectOf(t, Options{Source: upstream(t)}, dir)
	checkWarnings(t, r)
	if len(r.Needs) != 1 || r.Needs[0].Sum != a {
		t.Errorf("needs %+v", r.Needs)
	}
}

func TestASeedThatWorksOnlyAsADependency(t *testing.T) {
	t.Parallel()
	up := upstream(t)
	r, err := newRunner(t, Options{Source: up}).Seed(t.Context(), mod("example.com/lame@v1.0.0"), "")
	if err != nil {
		t.Fatal(err)
	}
	checkWarnings(t, r)
	if !r.Partial {
		t.Error("taken for all")
	}
	for _, m := range []string{"example.com/lame@v1.0.0", "example.com/leaf@v1.2.0", "example.com/gone@v1.0.0"} {
		if n := find(t, r, m); n == nil || n.ModOnly {
			t.Errorf("%s: %+v", m, n)
		}
	}
}

func TestASeedThatDemandsANewerGo(t *testing.T) {
	t.Parallel()
	r, err := newRunner(t, Options{Source: upstream(t)}).Seed(t.Context(), mod("example.com/future@v1.0.0"), "")
	if err != nil {
		t.Fatal(err)
	}
	checkWarnings(t, r, "demands go1.99.1, but this is go1.")
	if got, want := show(r.Needs), "example.com/future@v1.0.0\nexample.com/leaf@v1.2.0\n"; got != want {
		t.Errorf("needs\n%s, want\n%s", got, want)
	}
}

func TestASeedThatIsNotThereIsAnError(t *testing.T) {
	t.Parallel()
	up := upstream(t)
	broken := sourceFunc(func(ctx context.Context, name string) (io.ReadCloser, error) {
		if strings.HasSuffix(name, ".zip") {
			return nil, errOutage
		}
		return up.Open(ctx, name)
	})
	if _, err := newRunner(t, Options{Source: up}).Seed(t.Context(), mod("example.com/gone@v1.0.0"), ""); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	} else {
		t.Log(err)
	}
	if _, err := newRunner(t, Options{Source: broken}).Seed(t.Context(), mod("example.com/leaf@v1.0.0"), ""); !errors.Is(err, errOutage) {
		t.Errorf("got %v", err)
	} else {
		t.Log(err)
	}
}

var errOutage = errors.New("harbor.example: no route to host")

type sourceFunc func(context.Context, string) (io.ReadCloser, error)

func (f sourceFunc) Open(ctx context.Context, name string) (io.ReadCloser, error) {
	return f(ctx, name)
}

func TestWithoutAGoCommand(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, err := New(t.Context(), Options{Source: upstream(t), Go: "no-such-go", TempDir: dir})
	if !errors.Is(err, gocmd.ErrNoGo) {
		t.Errorf("got %v", err)
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestCancelling(t *testing.T) {
	t.Parallel()
	up := upstream(t)
	dir := newProject(t, up, with(projectFiles, "go.mod", "module corp.example/p\n\ngo 1.24\n"), ".")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r := newRunner(t, Options{Source: sourceFunc(func(_ context.Context, name string) (io.ReadCloser, error) {
		cancel()
		return up.Open(ctx, name)
	})})
	if _, err := r.Project(ctx, load(t, dir), ProjectOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("project: %v", err)
	}
	if _, err := r.Seed(ctx, mod("example.com/leaf@v1.0.0"), ""); !errors.Is(err, context.Canceled) {
		t.Errorf("seed: %v", err)
	}
	if _, _, err := r.Tool(ctx, "example.com/lib/cmd/libtool", "", nil, ""); !errors.Is(err, context.Canceled) {
		t.Errorf("tool: %v", err)
	}
	if _, err := r.Run(ctx, []string{"go", "version"}, nil, io.Discard, io.Discard); !errors.Is(err, context.Canceled) {
		t.Errorf("run: %v", err)
	}
}
