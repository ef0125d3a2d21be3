// Package policies is the command policy.
package policies

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/urfave/cli/v2"

	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/cmd/modferry/internal/audit"
	"github.com/modferry/modferry/cmd/modferry/internal/command"
	"github.com/modferry/modferry/registry/verify"
)

// app is what the command shares with the others.
type app struct{ *command.App }

// Command returns the command policy.
func Command(shared *command.App) *cli.Command {
	a := app{shared}
	return &cli.Command{
		Name:      "policy",
		Usage:     "check a trust policy, and explain what it decides",
		ArgsUsage: "check [FILE] | explain MODULE@VERSION",
		Description: command.Describe(`
"check" reads a policy and the keys it names as serve does at its start, and prints what it says. Everything that is wrong
is named with its line: exit code 1. What is probably not meant, like a key that no rule names, is a warning. With --registry
so are modules in the store that a rule would cover if upper and lower case were alike: to rules, as to the go command, they
differ. To the deny list they do not.

"explain" says of a version in the store which rule covers it, which signatures there are, what each of them counts for and
why, what the checksum database has to say, what is denied or revoked, and what is decided: exit code 4 if it is refused. It
explains keys given with --key as well. The contents are not downloaded: verify does that.

A policy is a file like this:

   version: 1
   keys:
     platform-2026: {file: platform-2026.pub, notAfter: 2027-12-31}   # relative to this file
     security:      {file: security.pub}
   rules:                                # the longest prefix counts; what none covers is refused
     - modules: ["corp.example/**"]      # corp.example and all below it
       signedBy: {anyOf: [platform-2026]}
       checksumDatabase: none            # private: not in the public log
     - modules: ["**"]
       signedBy: {threshold: 2, of: [platform-2026, security]}         # that many different keys
       checksumDatabase: required        # ifPresent: where the store has a snapshot
   deny:
     - modules: ["github.com/evil/**", "example.com/lib@<v1.4.2"]
       reason: CVE-2026-0001
   revoked: {digests: [], keys: []}      # of manifests; by name or ID`, `
modferry policy check policy.yaml
modferry policy check --registry harbor.example/golang --json policy.yaml
modferry policy explain --policy policy.yaml golang.org/x/text@v0.14.0
modferry policy explain --policy policy.yaml --registry harbor.example/golang --json corp.example/lib@v1.2.3`),
		Flags: slices.Concat(a.StoreFlags(), command.KeysFlags("explain what was signed with"), []cli.Flag{
			command.SumDBFlag(), command.PrivateFlag(),
			command.JSONFlag("what is found out"),
		}),
		Action: a.run,
	}
}

func (a app) run(c *cli.Context) error {
	switch what, n := c.Args().First(), c.NArg(); {
	case what == "check" && n <= 2:
		return a.check(c, cmp.Or(c.Args().Get(1), c.String(command.FlagPolicy)))
	case what == "explain" && n == 2:
		return a.explain(c, c.Args().Get(1))
	}
	return command.UsageErrorf("policy takes check and a file, or explain and a module@version")
}

func (a app) check(c *cli.Context, file string) error {
	if file == "" {
		return command.UsageErrorf("policy check needs the file to check")
	}
	p, err := sign.LoadPolicy(file, nil)
	if err != nil {
		return err
	}
	s := p.Summary()
	if c.IsSet(command.FlagRegistry) {
		s.Warnings = append(s.Warnings, a.otherCase(c, p)...)
	}
	for _, w := range s.Warnings {
		a.Warn("%s: %s", file, w)
	}
	return a.Print(c, s, audit.PolicyTable(s))
}

// otherCase names the modules in the store that a rule does not cover for upper and lower case only.
func (a app) otherCase(c *cli.Context, p *sign.Policy) (warnings []string) {
	stores, err := a.OpenStores(c)
	if err != nil {
		return []string{"the store was not looked at: " + err.Error()}
	}
	defer stores.Close()
	lister := &audit.Lister{Stores: stores, Verifier: p, Warn: func(err error) { a.Warn("%v", err) }}
	paths, broken, err := lister.Paths(c.Context)
	if err != nil {
		warnings = append(warnings, "the store was not looked at: "+err.Error())
	}
	a.NameBroken(broken)
	for _, path := range paths {
		if pattern := p.OtherCase(path); pattern != "" {
			warnings = append(warnings, path+" is in the store, and the rule for "+pattern+" does not cover it: upper and lower case differ")
		}
	}
	return warnings
}

func (a app) explain(c *cli.Context, arg string) error {
	m, err := command.ParseVersion(arg)
	if err != nil {
		return err
	}
	v, err := command.OptionalVerifier(c)
	if err != nil {
		return err
	}
	if v == nil {
		return command.UsageErrorf("policy explain needs --%s", command.FlagPolicy)
	}
	log, err := command.ChecksumLog(c)
	if err != nil {
		return err
	}
	stores, err := a.OpenStores(c)
	if err != nil {
		return err
	}
	defer stores.Close()
	store, err := stores.For(m.Path)
	if err != nil {
		return err
	}
	x, err := audit.Explain(c.Context, store, m, &verify.Checker{
		Verifier: v, Log: log, Private: a.PrivatePatterns(c), Snapshot: a.SnapshotOnce(c.Context, stores, log, v),
	}, v)
	if printed := a.Print(c, x, x.String()); printed != nil {
		return printed
	}
	if x.Outcome == audit.Refused {
		return &command.ExitError{Code: command.ExitRefused, Err: fmt.Errorf("%v is refused", m)}
	}
	return err
}
