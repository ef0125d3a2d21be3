package closure

import (
	"testing"
)

func TestThatSomebodyElsesModuleIsNotTidyIsNoLack(t *testing.T) {
	t.Parallel()
	up := tree(t.TempDir())
	dir := t.TempDir()
	write(t, dir, map[string]string{"go.mod": "module example.com/used\n\ngo 1.21\n", "u.go": "package used\n"})
	up.publish(t, mod("example.com/used@v1.0.0"), dir)
	dir = t.TempDir()
	write(t, dir, map[string]string{
		"go.mod": "module example.com/untidy\n\ngo 1.21\n\nrequire example.com/used v1.0.0\n", // without a go.sum
		"u.go":   "package untidy\n\nimport _ \"example.com/used\"\n",
	})
	up.publish(t, mod("example.com/untidy@v1.0.0"), dir)
	r := seedOf(t, up, "example.com/untidy@v1.0.0")
	if n := find(t, r, "example.com/used@v1.0.0"); len(r.Warnings) > 0 || n == nil || n.ModOnly {
		t.Errorf("%v, %v", r.Warnings, n)
	}
}
