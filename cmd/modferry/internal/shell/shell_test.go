package shell

import "testing"

func TestSettingsAreQuoted(t *testing.T) {
	hostile := Setting{"GONOSUMDB", `a'; rm -rf \ $HOME`}
	for shell, want := range map[string]string{
		"sh":         `export GONOSUMDB='a'\''; rm -rf \ $HOME'`,
		"fish":       `set -gx GONOSUMDB 'a\'; rm -rf \\ $HOME'`,
		"powershell": `$env:GONOSUMDB = 'a''; rm -rf \ $HOME'`,
		"cmd":        `set "GONOSUMDB=a'; rm -rf \ $HOME"`,
	} {
		if got, ok := hostile.Export(shell); !ok || got != want {
			t.Errorf("%s: %s, want %s", shell, got, want)
		}
	}
	if _, ok := hostile.Export("tcsh"); ok {
		t.Error("tcsh is not known")
	}
}

func TestOnlyWordsThatNeedItAreQuoted(t *testing.T) {
	for word, want := range map[string]string{
		"example.com/a@v1.0.0": "example.com/a@v1.0.0",
		"two words":            "'two words'",
		"it's":                 `'it'\''s'`,
		"corp.example/*":       "'corp.example/*'",
	} {
		if got := Quote(word); got != want {
			t.Errorf("%q became %s, want %s", word, got, want)
		}
	}
}
