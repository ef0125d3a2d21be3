package gocmd

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// Env are the go command's settings that say where modules come from. Those
// that default to another one, as GONOPROXY to GOPRIVATE, have that value.
type Env struct {
	GOPROXY, GOPRIVATE, GONOPROXY, GONOSUMDB, GOSUMDB string

	GOMODCACHE string // "" = not known, as there is no go command
}

// GoEnv returns the settings in force: those of the environment, else those that "go env -w" wrote, else the
// installed go command's defaults. Without a go command there are no defaults, and GOPROXY may be empty, which
// reading from upstream refuses.
func GoEnv(ctx context.Context) (Env, error) {
	goCmd, err := exec.LookPath("go")
	if err != nil {
		return envWithoutGo()
	}
	v, err := AskGoEnv(ctx, goCmd, "GOPROXY", "GOPRIVATE", "GONOPROXY", "GONOSUMDB", "GOSUMDB", "GOMODCACHE")
	return Env{v["GOPROXY"], v["GOPRIVATE"], v["GONOPROXY"], v["GONOSUMDB"], v["GOSUMDB"], v["GOMODCACHE"]}, err
}

// Platforms returns what the installed go command builds for, each as os/arch; nil if it does not tell.
func Platforms(ctx context.Context) []string {
	cmd := Command(ctx, "go", "tool", "dist", "list")
	cmd.Dir = os.TempDir()
	cmd.Env = append(slices.DeleteFunc(os.Environ(), internal), "GOWORK=off", "GOTOOLCHAIN=local", "GOFLAGS=", "GOOS=", "GOARCH=")
	out, err := Output(ctx, cmd)
	if err != nil {
		return nil
	}
	return strings.Fields(string(out))
}

// AskGoEnv asks a go command for its settings of these names.
func AskGoEnv(ctx context.Context, goCmd string, names ...string) (map[string]string, error) {
	return askGoEnv(ctx, goCmd, os.Environ(), names...)
}

// askGoEnv is [AskGoEnv] in an environment.
func askGoEnv(ctx context.Context, goCmd string, environ []string, names ...string) (map[string]string, error) {
	environ = slices.DeleteFunc(environ, internal)
	ask := func(env []string, args ...string) ([]byte, error) {
		cmd := Command(ctx, goCmd, append([]string{"env"}, args...)...)
		cmd.Dir = os.TempDir()
		cmd.Env = slices.Concat(environ, []string{"GOWORK=off", "PWD=" + cmd.Dir}, env)
		out, err := Output(ctx, cmd)
		if err != nil {
			err = fmt.Errorf("asking the go command for its settings: %w", err)
		}
		return out, err
	}
	out, err := ask([]string{"GOTOOLCHAIN=local"}, append([]string{"-json"}, names...)...)
	if err != nil {
		return nil, err
	}
	var values map[string]string
	if err := json.Unmarshal(out, &values); err != nil {
		return nil, fmt.Errorf("asking the go command for its settings: %w", err)
	}
	if _, asked := values[toolchain]; asked {
		// Exactly this command is answered by the go command that is there, whatever toolchain the setting
		// names. Others might fetch that first.
		out, err = ask(nil, toolchain)
		values[toolchain] = string(bytes.TrimSpace(out))
	}
	return values, err
}

const toolchain = "GOTOOLCHAIN"

// envWithoutGo reads what the go command would.
func envWithoutGo() (Env, error) {
	name := os.Getenv("GOENV")
	if dir, err := os.UserConfigDir(); name == "" && err == nil { // without a home directory there are no settings
		name = filepath.Join(dir, "go", "env")
	}
	file, err := ReadGoEnvFile(name)
	if err != nil {
		return Env{}, fmt.Errorf("reading the go command's settings: %w", err)
	}
	get := func(name, fallback string) string { return cmp.Or(os.Getenv(name), file[name], fallback) }
	private := get("GOPRIVATE", "")
	return Env{
		GOPROXY:   get("GOPROXY", ""),
		GOPRIVATE: private,
		GONOPROXY: get("GONOPROXY", private),
		GONOSUMDB: get("GONOSUMDB", private),
		GOSUMDB:   get("GOSUMDB", ""),
	}, nil
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
	env := make(map[string]string)
	for line := range strings.Lines(string(data)) {
		if name, value, ok := strings.Cut(line, "="); ok {
			env[strings.TrimSpace(name)] = strings.TrimSpace(value)
		}
	}
	return env, nil
}
