package main

const appDescription = `   mirror takes module versions from their upstream GOPROXY, checks them against the checksum database, signs them
   and pushes them to a store: a container registry (harbor.example/golang) or a directory (oci:DIR). publish does so
   with private source code, and check proves that a project works from a store alone. serve and run are the other end:
   a local GOPROXY that verifies every signature and every hash before the go command sees a byte.

   Every option can be set in the environment as well: --registry as MODFERRY_REGISTRY, --cache-max as
   MODFERRY_CACHE_MAX. The command line wins.

   Exit codes: 0 all done, 1 failed, 2 usage, 3 some items failed (each is named), 4 verification refused.

A FIRST ROUND:
   modferry keygen                                             # cosign.key and cosign.pub
   modferry mirror --key cosign.key .                          # what a project needs, into a local directory
   modferry check --key cosign.pub .                           # does it work from that alone?
   modferry run --key cosign.pub -- go build ./...             # build from that alone`

// appHelp and commandHelp are the library's templates with descriptions printed as they are written.
const appHelp = `{{.Name}} - {{.Usage}}

USAGE:
   {{.UsageText}}

DESCRIPTION:
{{.Description}}

COMMANDS:{{range .VisibleCommands}}
   {{.Name}}{{"\t"}}{{.Usage}}{{end}}

Each command has its own help with examples: modferry COMMAND --help
`

const commandHelp = `{{.HelpName}} - {{.Usage}}

USAGE:
   {{.HelpName}}{{if .Subcommands}} COMMAND{{end}}{{if .VisibleFlags}} [options]{{end}}{{if .ArgsUsage}} {{.ArgsUsage}}{{end}}

DESCRIPTION:
{{.Description}}
{{if .Subcommands}}
COMMANDS:{{range .Subcommands}}
   {{.Name}}{{"\t"}}{{.Usage}}{{end}}
{{else if .VisibleFlags}}
OPTIONS:{{range .VisibleFlags}}
   {{.}}{{end}}
{{end}}`
