package closure

import "testing"

// badSums are what somebody else's go.sum may say: a wrong sum, a version that is no more, no line of a go.sum.
const badSums = "example.com/leaf v1.2.0 h1:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n" +
	"example.com/leaf v1.2.0/go.mod h1:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n" +
	"example.com/lost v1.0.0 h1:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n" +
	"hello\n"

// withBadSums is the world and in it example.com/careless@v1.0.0 with such a go.sum.
func withBadSums(t *testing.T, goLine string) tree {
	t.Helper()
	up := upstream(t).copy(t)
	dir := t.TempDir()
	write(t, dir, map[string]string{
		"go.mod": "module example.com/careless\n\n" + goLine + "\n\nrequire (\n\texample.com/leaf v1.2.0\n\texample.com/testdep v0.1.0\n)\n",
		"go.sum": badSums, "c.go": "package careless\n\nimport _ \"example.com/leaf\"\n",
		"c_test.go":  "package careless\n\nimport _ \"example.com/testdep\"\n",
		"cmd/x/x.go": "package main\n\nfunc main() {}\n",
	})
	up.publish(t, mod("example.com/careless@v1.0.0"), dir)
	return up
}

func TestTheGoSumOfSomebodyElseIsNotBelieved(t *testing.T) {
	t.Parallel()
	up := withBadSums(t, "go 1.22")
	r := seedOf(t, up, "example.com/careless@v1.0.0")
	for _, m := range []string{"example.com/careless@v1.0.0", "example.com/leaf@v1.2.0", "example.com/testdep@v0.1.0"} {
		if n := find(t, r, m); n == nil || n.ModOnly || n.Sum != "" || n.GoModSum != "" {
			t.Errorf("%s: %+v", m, n)
		}
	}
	if n := find(t, r, "example.com/lost@v1.0.0"); n != nil {
		t.Errorf("needs %+v", n)
	}
}

func TestOfWhatDemandsANewerGoTheGoModIsKnown(t *testing.T) {
	t.Parallel()
	up := withBadSums(t, "go 1.99.1")
	const want = "example.com/careless@v1.0.0\nexample.com/leaf@v1.2.0\nexample.com/testdep@v0.1.0\n"
	r, err := newRunner(t, Options{Source: up}).Seed(t.Context(), mod("example.com/careless@v1.0.0"), "")
	if err != nil {
		t.Fatal(err)
	}
	_, tool, err := newRunner(t, Options{Source: up}).Tool(t.Context(), "example.com/careless/cmd/x", "", []string{"linux/amd64"}, "")
	if err != nil {
		t.Fatal(err)
	}
	checkWarnings(t, r, "demands go1.99.1")
	checkWarnings(t, tool, "demands go1.99.1")
	for _, r := range []*Result{r, tool} {
		if got := show(r.Needs); got != want {
			t.Errorf("needs\n%s, want\n%s", got, want)
		}
	}
}
