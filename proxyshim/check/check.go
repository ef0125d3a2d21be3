// Package check proves that a Go project works from a shim alone. It runs the go commands people use in the project, with
// a copy of what they may change, an empty module cache and nobody but the shim to ask, and notices when something they
// start tries to reach somebody else.
package check

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/modferry/modferry/registry/gocmd"
	"github.com/modferry/modferry/registry/project"
)

// Options configures [Run]. Project and Proxy are required.
type Options struct {
	Project *project.Project
	Proxy   string // the shim's address, as for GOPROXY; nobody else is asked

	NoSumDB string // GONOSUMDB; of the user's GOSUMDB, an address does not count, for the shim is asked about the log

	Platforms   []string // to build and vet for, os/arch with Go's names; none = this machine's
	Tags        string   // build tags, separated by commas
	DownloadAll bool     // "go mod download all" has to work, too

	TempDir string       // for copies and the module cache, which are removed; "" = the system's
	Report  func(Result) // told of each command as it ends; nil = nobody
}

// Result is what became of one command.
type Result struct {
	Command  string        `json:"command"`            // as typed: "go build ./..."; no control characters
	Dir      string        `json:"dir,omitempty"`      // where it ran, relative to the project, with slashes; "" = at its root; no control characters
	Platform string        `json:"platform,omitempty"` // what it built for, as in "linux/arm64"; "" = it does not matter
	OK       bool          `json:"-"`                  // it did what it should
	Skipped  string        `json:"reason,omitempty"`   // why it did not run, or proves nothing; OK is false then
	Untidy   bool          `json:"untidy,omitempty"`   // nothing is wrong but that go.mod or go.sum is not as "go mod tidy" leaves it
	Output   string        `json:"said,omitempty"`     // the first lines of what a command that failed wrote, or what is untidy; no control characters
	Elapsed  time.Duration `json:"-"`                  // what it took
}

// Failed reports whether the command ran and came to no good end.
func (r Result) Failed() bool { return !r.OK && r.Skipped == "" }

// Run runs the commands, which change nothing of the project, and returns what became of each, in order, and whom
// besides the shim something wanted to reach: "host:port", sorted, each once. That is what HTTP clients say which
// honour HTTPS_PROXY, as those of the go command and of git do; who looks names up or opens connections without
// asking a proxy is not noticed.
//
// When a command fails, the shim is asked for everything the project's go.sum files list, so that it knows all that is
// missing of it, and not only what the go command stopped at.
//
// That the project fails is no error. An error says why nothing could be proved, or
// not everything: gocmd.ErrNoGo, the end of ctx, or a full disk.
func Run(ctx context.Context, o Options) (results []Result, dialled []string, err error) {
	if o.Project == nil || o.Proxy == "" {
		return nil, nil, errors.New("check: Project and Proxy are required")
	}
	temp, err := os.MkdirTemp(o.TempDir, "modferry-check-*")
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, gocmd.RemoveAll(temp)) }()
	b, err := newBlocker()
	if err != nil {
		return nil, nil, err
	}
	defer b.close()
	goCmd, err := gocmd.New(ctx, gocmd.Options{
		Scratch: filepath.Join(temp, "go"), GOPROXY: o.Proxy, NoSumDB: o.NoSumDB,
		Env: append(b.environ(o.Proxy), "GOTMPDIR="+temp), // which an interrupted go command does not clear
	})
	if err != nil {
		return nil, nil, err
	}
	// No git is run, where the project is in a work tree; its vendor directory is not what is to be proved.
	goCmd = ownSettings(goCmd, temp).With("GOFLAGS=-trimpath -buildvcs=false -mod=readonly")
	r := &runner{o: o, goCmd: goCmd, temp: filepath.Join(temp, "project")}
	err = r.runAll(ctx)
	if err == nil && r.failed {
		probe(ctx, o.Proxy, o.Project)
	}
	return r.results, b.dialled(), err
}

// ownSettings changes what the user's settings say that does not suit a proof.
func ownSettings(goCmd *gocmd.Cmd, temp string) *gocmd.Cmd {
	for _, env := range goCmd.Environ() {
		name, value, _ := strings.Cut(env, "=")
		switch fields := strings.Fields(value); {
		case name == "GOSUMDB" && len(fields) > 1:
			// An address on this machine would be asked, and the blocker would not notice.
			goCmd = goCmd.With("GOSUMDB=" + fields[0])
		case name == "GOCACHE" && value == "off":
			// Without a home directory there is no build cache, and without that no build.
			goCmd = goCmd.With("GOCACHE=" + filepath.Join(temp, "build"))
		}
	}
	return goCmd
}

func here() string { return runtime.GOOS + "/" + runtime.GOARCH }
