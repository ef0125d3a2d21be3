package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/urfave/cli/v2"
)

func (a *app) versionCommand() *cli.Command {
	return &cli.Command{
		Name:  "version",
		Usage: "show which modferry this is",
		Description: describe(`
Prints the version of modferry, the Go release it was built with, and the system it was built for.`, `
modferry version
modferry version --json`),
		Flags:  []cli.Flag{jsonFlag("it")},
		Action: a.printVersion,
	}
}

func (a *app) printVersion(c *cli.Context) error {
	info := map[string]string{"version": buildVersion(), "go": runtime.Version(), "os": runtime.GOOS, "arch": runtime.GOARCH}
	return a.print(c, info, fmt.Sprintf("modferry %s (%s, %s/%s)", buildVersion(), runtime.Version(), runtime.GOOS, runtime.GOARCH))
}

// version is set by the linker for builds from a working tree (-X main.version=…).
var version string

// buildVersion is version, or else the module version that the go command recorded.
func buildVersion() string {
	if version != "" {
		return version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "(devel)"
	}
	return info.Main.Version
}
