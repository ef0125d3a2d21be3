package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/modferry/modferry/cmd/modferry/internal/shell"
	"github.com/modferry/modferry/registry/mirror/project"
)

// apart is an error if p is one module of a workspace: go commands in it work with the others, choose versions for all of
// them, and take from directories what may have never been published. To check it by itself would prove something else.
func (a *app) apart(p *project.Project, dir string) error {
	file := workspaceFile(p.Root)
	switch from, _ := a.env("GOWORK"); from {
	case "", "auto":
	case "off":
		return nil
	default:
		file = from
	}
	if file == "" || filepath.Dir(file) == p.Root {
		return nil
	}
	workspace, err := project.Load(filepath.Dir(file))
	if err != nil || workspace.Work == nil || !slices.ContainsFunc(workspace.Modules, func(m project.Module) bool { return m.Dir == p.Root }) {
		return nil // whatever is wrong with it is for the go command to say
	}
	return withHint(
		usageErrorf("%s is one module of the workspace %s, and go commands in it work with all of them", dir, file),
		fmt.Sprintf("check the workspace: modferry check %s; GOWORK=off in the environment checks the module alone", shell.Quote(filepath.Dir(file))),
	)
}

// workspaceFile returns the go.work file of a directory as the go command finds it, or "".
func workspaceFile(dir string) string {
	for {
		file := filepath.Join(dir, "go.work")
		if info, err := os.Stat(file); err == nil && !info.IsDir() {
			return file
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return ""
		}
		dir = parent
	}
}
