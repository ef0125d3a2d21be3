package doctor

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"runtime"

	"github.com/modferry/modferry/cmd/modferry/internal/shell"
	"github.com/modferry/modferry/registry/gocmd"
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
	e := &goEnv{environ: func(name string) string { v, _ := getenv(name); return v }}
	e.values, err = gocmd.AskGoEnv(ctx, name, "GOPROXY", "GONOPROXY", "GOPRIVATE", "GOSUMDB", "GONOSUMDB", "GOINSECURE", "GOENV", "GOPATH", "GOTOOLCHAIN")
	if err != nil {
		return nil, err
	}
	e.fileName = e.values["GOENV"]
	if e.file, err = gocmd.ReadGoEnvFile(e.fileName); err != nil {
		return nil, fmt.Errorf("reading the go command's settings: %w", err)
	}
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
	sh := "sh"
	if runtime.GOOS == "windows" {
		sh = "powershell"
	}
	command, _ := s.Export(sh)
	return command
}
