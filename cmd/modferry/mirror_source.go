package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/urfave/cli/v2"

	"github.com/modferry/modferry/artifact/goproxy"
	"github.com/modferry/modferry/cmd/modferry/internal/command"
	"github.com/modferry/modferry/cmd/modferry/internal/progress"
	"github.com/modferry/modferry/registry/collect"
	"github.com/modferry/modferry/registry/collect/closure"
	"github.com/modferry/modferry/registry/gocmd"
	"github.com/modferry/modferry/registry/requirement"
	"github.com/modferry/modferry/registry/upstream"
)

// source is where mirror has modules from.
type source struct {
	up      *upstream.Upstream
	sums    *upstream.Checksums // nil = not to be asked
	options collect.Options
	log     *slog.Logger

	env     gocmd.Env
	noSumDB string
	private string          // patterns of modules that no public proxy is asked for
	spool   string          // what was fetched to find out what is needed
	read    func(files int) // told of that, which may take a while, from 0 on
}

// openSource opens the upstream that the options and the go command's settings name. warn is told what does not
// work in full.
func (a *app) openSource(c *cli.Context, log *slog.Logger, warn func(error)) (*source, error) {
	platforms, err := command.Platforms(c)
	if err != nil {
		return nil, err
	}
	env, err := gocmd.GoEnv(c.Context)
	if err != nil {
		return nil, err
	}
	if err := cmp.Or(goproxy.CheckSpaces(env.GOPRIVATE), goproxy.CheckSpaces(env.GONOSUMDB)); err != nil {
		return nil, command.UsageErrorf("GOPRIVATE or GONOSUMDB: %v", err) // or private names would be told to others
	}
	s := &source{env: env, log: log, read: func(int) {}}
	s.noSumDB = command.JoinPatterns(env.GONOSUMDB, env.GOPRIVATE, c.String(command.FlagPrivate)) // GONOSUMDB may be set apart from GOPRIVATE
	if s.up, s.private, err = openUpstream(c, env, log); err != nil {
		return nil, err
	}
	if s.sums, err = a.checksums(c, s); err == nil {
		s.spool, err = os.MkdirTemp("", "modferry-collect-*")
	}
	if err != nil {
		return nil, errors.Join(err, s.up.Close())
	}
	s.options = collect.Options{
		Stdin: a.In, Warn: warn,
		Tools: c.StringSlice(flagTool), Platforms: platforms,
		Toolchains: c.Bool(flagToolchains), DownloadAll: c.Bool(flagDownloadAll), Retracted: c.Bool(flagAllowRetracted),
	}
	if !c.Bool(flagStatic) {
		s.options.GoCommand = s.goCommand
	}
	return s, nil
}

// openUpstream opens the GOPROXY that the options and the go command's settings name. private are the patterns of
// modules that no public proxy is asked for.
func openUpstream(c *cli.Context, env gocmd.Env, log *slog.Logger) (up *upstream.Upstream, private string, err error) {
	o := upstream.Options{
		GOPROXY: env.GOPROXY,
		NoProxy: env.GONOPROXY,
		Private: command.JoinPatterns(env.GOPRIVATE, c.String(command.FlagPrivate)),
		Log:     log,
	}
	hint := "set GOPROXY, or give --" + command.FlagUpstream
	if proxy := c.String(command.FlagUpstream); proxy != "" {
		// Chosen for this run, also for what is fetched directly else; private names go to no public one all the same.
		o.GOPROXY, o.NoProxy, o.Private = proxy, "", command.JoinPatterns(o.Private, env.GONOPROXY)
		hint = "an --" + command.FlagUpstream + " is a directory, or a list as in GOPROXY"
	}
	if up, err = upstream.New(o); err != nil {
		return nil, "", command.WithHint(err, hint)
	}
	return up, command.JoinPatterns(o.Private, o.NoProxy), nil
}

// checksums is the database that modules are checked against: nil when that was turned off.
func (a *app) checksums(c *cli.Context, s *source) (*upstream.Checksums, error) {
	if c.Bool(flagNoSumDB) {
		a.Warn("nothing is checked against the checksum database (--%s): whatever upstream sends is signed", flagNoSumDB)
		return nil, nil
	}
	sums, err := upstream.NewChecksums(upstream.ChecksumOptions{GOSUMDB: s.env.GOSUMDB, NoSumDB: s.noSumDB, Upstream: s.up})
	if err == nil && sums == nil {
		a.Warn("nothing is checked against the checksum database (GOSUMDB=off): whatever upstream sends is signed")
	}
	return sums, err
}

// goCommand starts what finds out what projects, modules and tools need. Its go commands see the same upstream and
// the same checksum database as mirror itself.
func (s *source) goCommand(ctx context.Context) (*closure.Runner, error) {
	s.read(0)
	gosumdb := s.env.GOSUMDB
	if s.sums == nil {
		gosumdb = "off"
	}
	return closure.New(ctx, closure.Options{
		Source:  progress.Count(upstream.NewSource(s.up, s.sums, upstream.SourceOptions{Spool: s.spool, ModCache: s.env.GOMODCACHE}), s.read),
		GOSUMDB: gosumdb,
		NoSumDB: s.noSumDB,
		Private: s.private,
		Log:     s.log,
	})
}

// Close removes what was fetched.
func (s *source) Close() error { return errors.Join(s.up.Close(), os.RemoveAll(s.spool)) }

// recorded runs the command that the arguments are, and returns what it fetched. That may be nothing, as of a build that
// needs none: it is a warning, for nobody can tell that from a command that went around the recording.
func (a *app) recorded(c *cli.Context, src *source, show progress.Display) ([]requirement.Requirement, error) {
	if c.Bool(flagStatic) || len(c.StringSlice(flagTool)) > 0 {
		return nil, command.UsageErrorf("--%s takes a command and no other source", flagRecord)
	}
	runner, err := src.goCommand(c.Context)
	if errors.Is(err, gocmd.ErrNoGo) {
		return nil, command.WithHint(err, "--"+flagRecord+" runs commands that use the go command")
	}
	if err != nil {
		return nil, err
	}
	args := c.Args().Slice()
	result, err := runner.Run(c.Context, args, a.In, show, show) // standard output is for what became of the versions
	if err = errors.Join(err, runner.Close()); err != nil {
		return nil, command.WithHint(fmt.Errorf("recording what %s fetches: %w", args[0], err), "nothing was mirrored")
	}
	for _, w := range result.Warnings {
		src.options.Warn(w)
	}
	items := result.Needs
	if len(items) == 0 {
		src.options.Warn(fmt.Errorf("recording what %s fetches: it fetched nothing, so nothing is mirrored: in order if it needs no modules, "+
			"but a command that sets GOPROXY or GOMODCACHE itself goes around the recording, and one with a vendor directory or GOFLAGS=-mod=vendor fetches nothing", args[0]))
	}
	return items, nil
}
