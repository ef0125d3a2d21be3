package gitsource

import "testing"

func TestLocationOfAModulePathInADirectory(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ path, dir, root, subdir, tag string }{
		{"corp.example/mod", ".", "corp.example/mod", "", "v2.0.0"},
		{"corp.example/mod/v2", ".", "corp.example/mod", "", "v2.0.0"},
		{"corp.example/mod/v2", "v2", "corp.example/mod", "", "v2.0.0"},
		{"corp.example/mod/v2/v2", "v2", "corp.example/mod", "", "v2/v2.0.0"},
		{"corp.example/mod/sub", "sub", "corp.example/mod", "", "sub/v2.0.0"},
		{"corp.example/mod/sub/v2", "sub", "corp.example/mod", "", "sub/v2.0.0"},
		{"corp.example/mod/sub/v2", "sub/v2", "corp.example/mod", "", "sub/v2.0.0"},
		{"corp.example/mod/x/sub", "x/sub", "corp.example/mod", "", "x/sub/v2.0.0"},
		{"corp.example/mod", "go/lib", "corp.example/mod", "go/lib", "go/lib/v2.0.0"},
		{"corp.example/mod/v2", "go/lib/v2", "corp.example/mod", "go/lib", "go/lib/v2.0.0"},
		{"corp.example/sub", "ub", "corp.example/sub", "ub", "ub/v2.0.0"},
		{"gopkg.in/yaml.v2", ".", "gopkg.in/yaml.v2", "", "v2.0.0"},
		{"gopkg.in/yaml.v2", "yaml", "gopkg.in/yaml.v2", "yaml", "yaml/v2.0.0"},
	} {
		l := newLocation(c.path, c.dir, nil)
		if root, subdir := l.root(); root != c.root || subdir != c.subdir {
			t.Errorf("%s in %s: the root is %q and then %q; want %q and %q", c.path, c.dir, root, subdir, c.root, c.subdir)
		}
		for _, version := range []string{"v2.0.0", "v2.0.0+incompatible"} {
			if got := l.tag(version); got != c.tag {
				t.Errorf("%s in %s: the tag of %s is %s; want %s", c.path, c.dir, version, got, c.tag)
			}
		}
	}
}
