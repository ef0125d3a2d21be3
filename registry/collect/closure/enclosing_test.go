package closure

import (
	"path/filepath"
	"testing"
)

func TestAModuleThatTheScratchDirectoryIsInDoesNotCount(t *testing.T) {
	t.Parallel()
	up := upstream(t)
	for name, goMod := range map[string]string{
		"replaces":         "module corp.example/around\n\ngo 1.22\n\nrequire example.com/lib v1.0.0\n\nreplace example.com/lib => ./nowhere\n",
		"excludes":         "module corp.example/around\n\ngo 1.22\n\nexclude example.com/lib v1.1.0\n",
		"demands too much": "module corp.example/around\n\ngo 1.99.1\n",
		"is broken":        "nonsense\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			write(t, dir, map[string]string{"go.mod": goMod, "tmp/x": ""})
			r, err := New(t.Context(), Options{Source: up, GOSUMDB: "off", TempDir: filepath.Join(dir, "tmp")})
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			m, result, err := r.Tool(t.Context(), "example.com/lib/cmd/libtool", "", nil, "")
			if err != nil || m != mod("example.com/lib@v1.1.0") {
				t.Fatal(m, err)
			}
			checkWarnings(t, result)
			if result, err = r.Seed(t.Context(), mod("example.com/lib@v1.0.0"), ""); err != nil {
				t.Fatal(err)
			}
			checkWarnings(t, result)
		})
	}
}
