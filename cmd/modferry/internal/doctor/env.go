package doctor

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"

	"github.com/modferry/modferry/cmd/modferry/internal/shell"
	"github.com/modferry/modferry/registry/mirror"
)

// goEnv are the go command's settings, and where each was made.
type goEnv struct {
	values   map[string]string // in force
	environ  func(name string) string
	file     map[string]string // what "go env -w" wrote
	fileName string
}

// ErrNoGo is a machine without a go command.
var ErrNoGo = errors.New("there is no go command in PATH")

// readGoEnv asks the go command for its settings.
func readGoEnv(ctx context.Context, getenv func(string) (string, bool)) (*goEnv, error) {
	name, err := exec.LookPath("go")
	if err != nil {
		return nil, ErrNoGo
	}
	cmd := exec.CommandContext(ctx, name, "env", "-json", "GOPROXY", "GONOPROXY", "GOPRIVATE", "GOSUMDB", "GONOSUMDB",
		"GOINSECURE", "GOENV", "GOPATH", "GOROOT")
	cmd.Dir = os.TempDir() // not in a module that may ask for another toolchain
	cmd.Env = append(os.Environ(), "GOTOOLCHAIN=local", "GOWORK=off", "PWD="+cmd.Dir)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("asking the go command for its settings: %w: %s", err, bytes.TrimSpace(stderr.Bytes()))
	}
	e := &goEnv{environ: func(name string) string { v, _ := getenv(name); return v }}
	if err := json.Unmarshal(out, &e.values); err != nil {
		return nil, fmt.Errorf("asking the go command for its settings: %w", err)
	}
	e.fileName = e.values["GOENV"]
	if e.file, err = mirror.ReadGoEnvFile(e.fileName); err != nil {
		return nil, fmt.Errorf("reading the go command's settings: %w", err)
	}
	// The question itself was asked with another value of this one.
	defaults, err := mirror.ReadGoEnvFile(filepath.Join(e.values["GOROOT"], "go.env"))
	if err != nil {
		return nil, fmt.Errorf("reading the go command's defaults: %w", err)
	}
	const toolchain = "GOTOOLCHAIN"
	e.values[toolchain] = cmp.Or(e.environ(toolchain), e.file[toolchain], defaults[toolchain])
	return e, nil
}

// from says in words where the value in force was set.
func (e *goEnv) from(name string) string {
	isPrivate := name == "GONOPROXY" || name == "GONOSUMDB"
	switch {
	case e.environ(name) != "":
		return "environment"
	case e.file[name] != "":
		return e.fileName
	case e.values[name] == "":
		return ""
	case isPrivate && e.values[name] == e.values["GOPRIVATE"]:
		return "GOPRIVATE, " + e.from("GOPRIVATE")
	}
	return "default"
}

// set is the command that gives a setting another value, in the place where it is set now.
func (e *goEnv) set(name, value string) string {
	s := shell.Setting{Name: name, Value: value}
	if e.environ(name) == "" {
		return "go env -w " + shell.Quote(s.String())
	}
	command, _ := s.Export(defaultShell())
	return command
}

// unset is the command that takes a setting away from where it is set now, so that the go command's own default,
// which is value, comes through.
func (e *goEnv) unset(name, value string) string {
	switch {
	case e.environ(name) != "" && defaultShell() == "sh":
		return "unset " + name
	case e.environ(name) != "":
		return "Remove-Item Env:" + name
	case e.file[name] != "":
		return "go env -u " + name
	}
	return e.set(name, value) // another default than ours was built into this go command
}

// defaultShell is the shell that commands are written for.
func defaultShell() string {
	if runtime.GOOS == "windows" {
		return "powershell"
	}
	return "sh"
}
