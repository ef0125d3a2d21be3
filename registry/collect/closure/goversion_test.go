package closure

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// goThatSays returns a go command that calls itself another version.
func goThatSays(t testing.TB, version string) string {
	t.Helper()
	real, err := exec.LookPath("go")
	if err != nil {
		t.Fatal(err)
	}
	own := strings.TrimSpace(goIn(t, t.TempDir(), nil, "env", "GOVERSION"))
	script := fmt.Sprintf("#!/bin/sh\nif [ \"$1\" != env ]; then exec %[1]s \"$@\"; fi\n%[1]s \"$@\" | sed 's/%[2]s/%[3]s/'\n", real, own, version)
	name := filepath.Join(t.TempDir(), "go")
	if err := os.WriteFile(name, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestAGoWhoseVersionVendorsOrDevelopersMadeIsNotTooOld(t *testing.T) {
	t.Parallel()
	up := upstream(t)
	dir := newProject(t, up, with(projectFiles, "go.mod", "module corp.example/p\n\ngo 1.24\n"), ".")
	for _, version := range []string{
		"go1.26.8 (Red Hat 1.26.8-1.el9)", "go1.26.8 X:boringcrypto", "go1.26.8-something", "devel go1.26-abc123 Thu Jan 1", "devel +abc123", "whatever",
	} {
		t.Run(strings.NewReplacer(" ", "_", ":", "_").Replace(version), func(t *testing.T) {
			t.Parallel()
			o := Options{Source: up, Go: goThatSays(t, version)}
			checkWarnings(t, projectOf(t, o, dir))
			runner := newRunner(t, o)
			r, err := runner.Seed(t.Context(), mod("example.com/leaf@v1.3.0"), "")
			if err != nil {
				t.Fatal(err)
			}
			checkWarnings(t, r)
			_, r, err = runner.Tool(t.Context(), "example.com/lib/cmd/libtool", "", nil, "")
			if err != nil {
				t.Fatal(err)
			}
			checkWarnings(t, r)
		})
	}
}
