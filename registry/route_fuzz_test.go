package registry

import "testing"

func FuzzSplitRoute(f *testing.F) {
	for _, seed := range []string{"corp.example=harbor.example/a", "oci:a=b", "=x", "a=b=c", "none"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if prefix, store := splitRoute(s); prefix == "" && store != s || prefix != "" && prefix+"="+store != s {
			t.Errorf("%q is split into %q and %q", s, prefix, store)
		}
	})
}
