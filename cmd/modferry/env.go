package main

import (
	"net/url"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/modferry/modferry/artifact/sumdb"
	"github.com/modferry/modferry/cmd/modferry/internal/command"
	"github.com/modferry/modferry/cmd/modferry/internal/listen"
	"github.com/modferry/modferry/cmd/modferry/internal/shell"
	"github.com/modferry/modferry/registry/gocmd"
)

const (
	flagShell = "shell"
	flagShim  = "shim"
)

func (a *app) envCommand() *cli.Command {
	return &cli.Command{
		Name:  "env",
		Usage: "print the settings that make the go command use a running shim",
		Description: command.Describe(`
Prints GOPROXY, GONOPROXY=none (so that a GOPRIVATE set elsewhere cannot lead around the shim) and, with --private,
GONOSUMDB, in the syntax of a shell. GOPRIVATE and GOFLAGS are left alone. So is GOSUMDB, for the shim serves the checksum
database and nothing has to be switched off, unless it has an address, as sum.golang.google.cn is one: the go command
would dial that, and so it is set to the log's own name.`, `
eval "$(modferry env)"
modferry env --private 'corp.example/*' --shell fish | source
modferry env --shell powershell | Invoke-Expression
modferry env --shim https://shim.corp.example --json`),
		Flags: []cli.Flag{
			shimAddressFlag(),
			shimURLFlag(),
			command.PrivateFlag(),
			&cli.StringFlag{Name: flagShell, Value: "sh", Usage: "the `SHELL` to print for: sh, fish, powershell or cmd"},
			command.JSONFlag("the settings"),
		},
		Action: a.printEnv,
	}
}

func (a *app) printEnv(c *cli.Context) error {
	proxy, err := shimURL(c)
	if err != nil {
		return err
	}
	values := make(map[string]string)
	var commands []string
	env, err := gocmd.GoEnv(c.Context)
	if err != nil {
		return err
	}
	for _, v := range append(goSettings(proxy, c.String(command.FlagPrivate)), sumDBSetting(env.GOSUMDB)...) {
		line, ok := v.Export(c.String(flagShell))
		if !ok {
			return command.UsageErrorf("--%s %q: known are sh, fish, powershell and cmd", flagShell, c.String(flagShell))
		}
		values[v.Name] = v.Value
		commands = append(commands, line)
	}
	return a.Print(c, values, strings.Join(commands, "\n"))
}

// goSettings are the variables that make the go command use the shim at proxy and nothing else. noSumDB lists
// the patterns of modules the public checksum database does not know.
func goSettings(proxy, noSumDB string) []shell.Setting {
	// "none" is the value the go command documents for "no exceptions"; an empty one would mean GOPRIVATE.
	vars := []shell.Setting{{Name: "GOPROXY", Value: proxy}, {Name: "GONOPROXY", Value: "none"}}
	if noSumDB != "" {
		vars = append(vars, shell.Setting{Name: "GONOSUMDB", Value: noSumDB})
	}
	return vars
}

// sumDBSetting has the go command ask the shim for the log that it would dial by itself, for GOSUMDB has its address: by
// the log's own name or, where that is not enough, by its key.
func sumDBSetting(gosumdb string) []shell.Setting {
	log, address, err := sumdb.ParseGOSUMDB(gosumdb)
	if err != nil || address == "" {
		return nil // "off" is the user's decision, and anything else the go command complains of
	}
	return []shell.Setting{{Name: "GOSUMDB", Value: log.Setting()}}
}

func shimAddressFlag() cli.Flag {
	return &cli.StringFlag{Name: command.FlagListen, Value: command.DefaultListen, Usage: "the shim's `ADDRESS`, as given to serve"}
}

func shimURLFlag() cli.Flag {
	return &cli.StringFlag{Name: flagShim, Usage: "the shim's `URL`, when it is another than http:// and the address"}
}

// shimURL is the address of a running shim that --shim or --listen gives.
func shimURL(c *cli.Context) (string, error) {
	shim := c.String(flagShim)
	if shim == "" {
		url, err := listen.URL("http", c.String(command.FlagListen))
		if err != nil {
			return "", command.NotAnAddress(c)
		}
		return url, nil
	}
	if u, err := url.Parse(shim); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return "", command.UsageErrorf("--%s %q is not an http or https URL", flagShim, shim)
	}
	return shim, nil
}
