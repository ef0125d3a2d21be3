package main

import (
	"encoding/json"
	"fmt"
	"net/url"

	"github.com/urfave/cli/v2"

	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/artifact/sumdb"
	"github.com/modferry/modferry/registry/redact"
)

func (a *app) doctorCommand() *cli.Command {
	return &cli.Command{
		Name:  "doctor",
		Usage: "find out what is wrong with the go command's settings, the shim and the checksum snapshot",
		Description: describe(`
Looks at the settings of the go command as it sees them itself, from the environment and from its own file; asks the shim
what the go command would ask it; reads the newest checksum snapshot in the store and compares it with the head of the
log that the go command has seen last (GOPATH/pkg/sumdb). One line per finding: what is wrong comes with the one
command that mends it. Nothing is changed. The exit code is 1 when something is wrong.

   ok       as it should be
   note     worth knowing
   wrong    to be mended

"modferry run -- modferry doctor" looks at the settings that run makes.`, `
modferry doctor
modferry doctor --key cosign.pub --registry harbor.example/golang
modferry doctor --shim https://shim.corp.example --private 'corp.example/*' --json`),
		Flags: append(a.storeFlags(),
			&cli.StringSliceFlag{Name: flagKey, Usage: "check the snapshot's signature with the public key in `FILE`; repeat it, or separate with commas, for several"},
			sumdbFlag(),
			privateFlag(),
			&cli.StringFlag{Name: flagListen, Value: defaultListen, Usage: "the shim's `ADDRESS`, as given to serve"},
			&cli.StringFlag{Name: flagShim, Usage: "the shim's `URL`, when it is another than http:// and the address"},
			jsonFlag("each finding"),
		),
		Action: a.doctor,
	}
}

// The states of a finding.
const (
	stateOK    = "ok"
	stateNote  = "note"
	stateWrong = "wrong"
)

// finding is what doctor says about one thing.
type finding struct {
	Check  string `json:"check"`
	Status string `json:"status"`
	Value  string `json:"value"`
	From   string `json:"from,omitempty"`   // where the value was set
	Detail string `json:"detail,omitempty"` // what is wrong, or worth knowing
	Mend   string `json:"mend,omitempty"`   // the command that mends it
}

// patient is what doctor examines, and by what measure.
type patient struct {
	goEnv   *goEnv
	log     *sumdb.Log
	shim    string // the URL that GOPROXY should be
	private string // patterns of --private
	keys    *sign.Keys
}

func (a *app) doctor(c *cli.Context) error {
	if c.Args().Present() {
		return usageErrorf("doctor takes no arguments")
	}
	p, err := a.patient(c)
	if err != nil {
		return err
	}
	stores, err := a.openStores(c, nil)
	if err != nil {
		return err
	}
	defer stores.Close()
	shim := p.proxy(c.Context)
	findings := append(p.settings(), shim)
	findings = append(findings, p.checksums(c.Context, stores, shim.Status == stateOK)...)
	return a.printFindings(findings, c.Bool(flagJSON))
}

// patient reads the options.
func (a *app) patient(c *cli.Context) (*patient, error) {
	log, err := checksumLog(c)
	if err != nil {
		return nil, err
	}
	p := &patient{log: log, private: c.String(flagPrivate), shim: c.String(flagShim)}
	if p.shim == "" {
		if p.shim, err = shimURL("http", c.String(flagListen)); err != nil {
			return nil, err
		}
	}
	if u, err := url.Parse(p.shim); err != nil || !isHTTP(u) {
		return nil, usageErrorf("--%s %q is not an http or https URL", flagShim, p.shim)
	}
	if files := c.StringSlice(flagKey); len(files) > 0 {
		if p.keys, err = sign.LoadKeys(files...); err != nil {
			return nil, err
		}
	}
	p.goEnv, err = a.readGoEnv(c.Context)
	return p, err
}

func isHTTP(u *url.URL) bool { return u.Host != "" && (u.Scheme == "http" || u.Scheme == "https") }

// printFindings prints all findings, without the credentials of URLs, and is an error if one of them is bad.
func (a *app) printFindings(findings []finding, asJSON bool) error {
	wrong := 0
	out := json.NewEncoder(a.out)
	for _, f := range findings {
		if f.Status == stateWrong {
			wrong++
		}
		f.Value, f.Detail, f.Mend = redact.Text(f.Value), redact.Text(f.Detail), redact.Text(f.Mend)
		if asJSON {
			if err := out.Encode(f); err != nil {
				return err
			}
			continue
		}
		f.print(a)
	}
	if wrong > 0 {
		return &exitError{code: exitFailed, err: fmt.Errorf("doctor: %d of %d findings are wrong", wrong, len(findings))}
	}
	return nil
}

func (f finding) print(a *app) {
	value := f.Value
	if value == "" {
		value = "-"
	}
	fmt.Fprintf(a.out, "%-5s  %-12s  %s", f.Status, f.Check, value)
	if f.From != "" {
		fmt.Fprintf(a.out, "  (%s)", f.From)
	}
	fmt.Fprintln(a.out)
	if f.Detail != "" {
		fmt.Fprintf(a.out, "       %s\n", f.Detail)
	}
	if f.Mend != "" {
		fmt.Fprintf(a.out, "       mend: %s\n", f.Mend)
	}
}
