package proxyshim

import "testing"

const (
	oldPseudo   = "v0.0.0-20200101000000-0123456789ab"
	newPseudo   = "v0.0.0-20240101000000-ba9876543210"
	laterPseudo = "v1.1.1-0.20220101000000-cccccccccccc"
)

func TestLatestPrefersReleasesThenPreReleasesThenTheNewestCommit(t *testing.T) {
	for _, test := range []struct {
		versions []string
		want     string
	}{
		{nil, ""},
		{[]string{"v1.0.0", "v1.10.0", "v1.9.0"}, "v1.10.0"},
		{[]string{"v1.0.0", "v2.0.0-rc.1", laterPseudo}, "v1.0.0"},
		{[]string{"v1.0.0-rc.1", "v1.0.0-rc.10", newPseudo}, "v1.0.0-rc.10"},
		{[]string{oldPseudo, newPseudo, laterPseudo}, newPseudo},
		{[]string{"v1.0.0", "v2.0.0+incompatible"}, "v2.0.0+incompatible"},
	} {
		if got := latest(test.versions); got != test.want {
			t.Errorf("latest(%v) = %q, want %q", test.versions, got, test.want)
		}
	}
}
