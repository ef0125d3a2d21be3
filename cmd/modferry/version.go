package main

import (
	"fmt"
	"runtime"

	"github.com/urfave/cli/v2"

	"github.com/modferry/modferry/cmd/modferry/internal/command"
)

func (a *app) versionCommand() *cli.Command {
	return &cli.Command{
		Name:  "version",
		Usage: "show which modferry this is",
		Description: command.Describe(`
Prints the version of modferry, the Go release it was built with, and the system it was built for.`, `
modferry version
modferry version --json`),
		Flags:  []cli.Flag{command.JSONFlag("it")},
		Action: a.printVersion,
	}
}

func (a *app) printVersion(c *cli.Context) error {
	info := map[string]string{"version": command.BuildVersion(), "go": runtime.Version(), "os": runtime.GOOS, "arch": runtime.GOARCH}
	return a.Print(c, info, fmt.Sprintf("modferry %s (%s, %s/%s)", command.BuildVersion(), runtime.Version(), runtime.GOOS, runtime.GOARCH))
}
