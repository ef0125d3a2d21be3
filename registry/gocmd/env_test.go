package gocmd

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// setEnv sets all variables that GoEnv reads, those not named to nothing.
func setEnv(t *testing.T, vars map[string]string) {
	t.Helper()
	for _, name := range []string{"GOPROXY", "GOPRIVATE", "GONOPROXY", "GONOSUMDB", "GOSUMDB", "GOENV"} {
		t.Setenv(name, vars[name])
	}
}

func TestGoEnvReadsEnvironmentAndConfiguration(t *testing.T) {
	file := filepath.Join(t.TempDir(), "env")
	content := "GOPROXY=https://file.example\nGOPRIVATE=file.example,*.corp\nGOSUMDB=sum.example.com+key\nnonsense\n"
	if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	path := os.Getenv("PATH")
	for _, withGo := range []bool{true, false} {
		if t.Setenv("PATH", path); !withGo {
			t.Setenv("PATH", t.TempDir())
		}
		setEnv(t, map[string]string{"GOENV": file, "GOPROXY": "https://env.example", "GONOPROXY": "none"})
		env, err := GoEnv(t.Context())
		if (env.GOMODCACHE != "") != withGo {
			t.Errorf("with go command %v: GOMODCACHE=%q", withGo, env.GOMODCACHE)
		}
		env.GOMODCACHE = ""
		want := Env{
			GOPROXY: "https://env.example", GOPRIVATE: "file.example,*.corp", GONOPROXY: "none",
			GONOSUMDB: "file.example,*.corp", GOSUMDB: "sum.example.com+key",
		}
		if err != nil || env != want {
			t.Errorf("with go command %v: %+v, %v", withGo, env, err)
		}
		setEnv(t, map[string]string{"GOENV": file})
		if env, err := GoEnv(t.Context()); err != nil || env.GOPROXY != "https://file.example" || env.GONOPROXY != "file.example,*.corp" {
			t.Errorf("with go command %v: %+v, %v", withGo, env, err)
		}
	}
}

func TestWithoutAGoCommandNothingIsMadeUp(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	for _, goenv := range []string{"off", filepath.Join(t.TempDir(), "absent")} {
		setEnv(t, map[string]string{"GOENV": goenv})
		env, err := GoEnv(t.Context())
		if err != nil || env != (Env{}) {
			t.Error(env, err)
		}
	}
	setEnv(t, map[string]string{"GOENV": t.TempDir()})
	if _, err := GoEnv(t.Context()); err == nil || !strings.Contains(err.Error(), "settings") {
		t.Error(err)
	}
}

func FuzzReadGoEnvFile(f *testing.F) {
	f.Add("GOPROXY=https://proxy.example,direct\n=\nX")
	f.Fuzz(func(t *testing.T, text string) {
		name := filepath.Join(t.TempDir(), "env")
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		env, err := ReadGoEnvFile(name)
		if err != nil {
			t.Error(err)
		}
		for name, value := range env {
			if strings.ContainsAny(name+value, "\n") {
				t.Errorf("%q=%q", name, value)
			}
		}
	})
}
