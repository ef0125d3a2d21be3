package mirror

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
		if _, err := NewUpstream(UpstreamOptions{GOPROXY: env.GOPROXY}); err == nil || !strings.Contains(err.Error(), "set GOPROXY") {
			t.Error(err)
		}
	}
	setEnv(t, map[string]string{"GOENV": t.TempDir()})
	if _, err := GoEnv(t.Context()); err == nil || !strings.Contains(err.Error(), "settings") {
		t.Error(err)
	}
}

func TestNetrcIsReadAsTheGoCommandDoes(t *testing.T) {
	const file = `machine one.example login a password b
machine two.example
	login c
	password d
machine two.example login x password y
macdef init
machine macro.example login no password no

machine half.example login only
machine three.example account z login e password f
default login g password h
machine late.example login i password j
`
	for host, want := range map[string]string{
		"one.example": "a:b", "two.example": "c:d", "three.example": "e:f",
		"macro.example": "", "half.example": "", "late.example": "", "other.example": "",
	} {
		got := ""
		if user := parseNetrc(file, host); user != nil {
			got = user.String()
		}
		if got != want {
			t.Errorf("%s: %q, want %q", host, got, want)
		}
	}
	if netrcFor(filepath.Join(t.TempDir(), "absent"), "one.example") != nil {
		t.Error("credentials from nowhere")
	}
}

func FuzzSettings(f *testing.F) {
	f.Add("machine a login b password c\nmacdef x\n\ndefault login d password e", "a")
	f.Add("GOPROXY=https://proxy.example,direct\n=\nX", "https://u:p@proxy.example:1,file:///x|off")
	f.Add("machine", "sum.golang.org https://x.example")
	f.Fuzz(func(t *testing.T, file, value string) {
		parseNetrc(file, value)
		parseGoEnvFile([]byte(file))
		if text := firstLines([]byte(value)); strings.ContainsAny(text, "\n\r\x00\x1b") {
			t.Errorf("%q", text)
		}
		entries, err := (&Upstream{}).parseGOPROXY(value)
		if err == nil && len(entries) == 0 {
			t.Error("no entries and no error")
		}
	})
}
