package gocmd

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/modferry/modferry/registry/safetext"
)

// Env are the go command's settings that say where modules come from. Those
// that default to another one, as GONOPROXY to GOPRIVATE, have that value.
type Env struct {
	GOPROXY, GOPRIVATE, GONOPROXY, GONOSUMDB, GOSUMDB string

	GOMODCACHE string // "" = not known, as there is no go command
}

// GoEnv returns the settings in force: those of the environment, else those
// that "go env -w" wrote, else the installed go command's defaults. Without a go
// command there are no defaults, and GOPROXY may be empty, which
// [NewUpstream] refuses.
func GoEnv(ctx context.Context) (Env, error) {
	goCmd, err := exec.LookPath("go")
	if err != nil {
		return envWithoutGo()
	}
	v, err := AskGoEnv(ctx, goCmd, "GOPROXY", "GOPRIVATE", "GONOPROXY", "GONOSUMDB", "GOSUMDB", "GOMODCACHE")
	return Env{v["GOPROXY"], v["GOPRIVATE"], v["GONOPROXY"], v["GONOSUMDB"], v["GOSUMDB"], v["GOMODCACHE"]}, err
}

// AskGoEnv asks a go command for its settings of these names, but for GOTOOLCHAIN, which it is told.
func AskGoEnv(ctx context.Context, goCmd string, names ...string) (map[string]string, error) {
	cmd := exec.CommandContext(ctx, goCmd, append([]string{"env", "-json"}, names...)...)
	cmd.Dir = os.TempDir() // not in a module that may ask for another toolchain
	cmd.Env = append(os.Environ(), "GOTOOLCHAIN=local", "GOWORK=off", "PWD="+cmd.Dir)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("asking the go command for its settings: %w: %s", err, safetext.Lines(stderr.Bytes()))
	}
	var values map[string]string
	if err := json.Unmarshal(out, &values); err != nil {
		return nil, fmt.Errorf("asking the go command for its settings: %w", err)
	}
	return values, nil
}

// envWithoutGo reads what the go command would.
func envWithoutGo() (Env, error) {
	file, err := readGoEnvFile()
	if err != nil {
		return Env{}, fmt.Errorf("reading the go command's settings: %w", err)
	}
	get := func(name, fallback string) string {
		if v := os.Getenv(name); v != "" {
			return v
		}
		if v := file[name]; v != "" {
			return v
		}
		return fallback
	}
	private := get("GOPRIVATE", "")
	return Env{
		GOPROXY:   get("GOPROXY", ""),
		GOPRIVATE: private,
		GONOPROXY: get("GONOPROXY", private),
		GONOSUMDB: get("GONOSUMDB", private),
		GOSUMDB:   get("GOSUMDB", ""),
	}, nil
}

// readGoEnvFile reads the file that "go env -w" writes.
func readGoEnvFile() (map[string]string, error) {
	name := os.Getenv("GOENV")
	if name == "" {
		dir, err := os.UserConfigDir()
		if err != nil {
			return nil, nil // no home directory, no settings
		}
		name = filepath.Join(dir, "go", "env")
	}
	return ReadGoEnvFile(name)
}

// ReadGoEnvFile reads the settings in a file as "go env -w" writes it: lines
// NAME=value. A file that is not there has none, nor have "" and "off".
func ReadGoEnvFile(name string) (map[string]string, error) {
	if name == "" || name == "off" {
		return nil, nil
	}
	data, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return parseGoEnvFile(data), nil
}

func parseGoEnvFile(data []byte) map[string]string {
	env := make(map[string]string)
	lines := bufio.NewScanner(bytes.NewReader(data))
	lines.Buffer(nil, len(data)+1)
	for lines.Scan() {
		if name, value, ok := strings.Cut(lines.Text(), "="); ok {
			env[strings.TrimSpace(name)] = strings.TrimSpace(value)
		}
	}
	return env
}
