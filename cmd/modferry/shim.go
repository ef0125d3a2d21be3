package main

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/urfave/cli/v2"

	"github.com/modferry/modferry/artifact/userfile"
	"github.com/modferry/modferry/cmd/modferry/internal/command"
	"github.com/modferry/modferry/cmd/modferry/internal/wishlist"
	"github.com/modferry/modferry/proxyshim"
	"github.com/modferry/modferry/proxyshim/audit"
	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/verify"
)

// shim is a handler together with the stores it answers from.
type shim struct {
	*proxyshim.Handler
	stores  *registry.Router
	log     *slog.Logger
	private string // patterns of modules that the go command is not to look up in the checksum database
}

// cacheOptions are what the options of [cacheFlags] describe.
func cacheOptions(c *cli.Context) (proxyshim.Options, error) {
	o := proxyshim.Options{CacheDir: c.String(command.FlagCache), Recheck: c.Duration(command.FlagRecheck), Patience: verify.NewPatience()}
	limit, err := humanize.ParseBytes(c.String(command.FlagCacheMax))
	switch {
	case err != nil || limit > 1<<62:
		return o, command.UsageErrorf("--%s %q is not a size like 10GB or 512MiB", command.FlagCacheMax, c.String(command.FlagCacheMax))
	case o.Recheck < 0:
		return o, command.UsageErrorf("--%s must not be negative", command.FlagRecheck)
	case o.CacheDir == "":
		return o, command.UsageErrorf("--%s is needed: there is no cache directory for this user", command.FlagCache)
	}
	o.CacheMax = int64(limit)
	return o, nil
}

// newShim builds the shim that o and the options of [command.App.ShimFlags] describe. requested is told of each
// request to a registry, as [remote.ClientOptions] has it; it may be nil.
func (a *app) newShim(c *cli.Context, log *slog.Logger, o proxyshim.Options, requested func(method string, status int, took time.Duration)) (*shim, error) {
	sums, err := command.ChecksumLog(c)
	if err != nil {
		return nil, err
	}
	if o.Policy, err = command.PolicyFile(c, log); err == nil && o.Policy == nil {
		o.Verifier, err = a.Verifier(c)
	}
	if err != nil {
		return nil, err
	}
	stores, err := a.OpenTimedStores(c, log, requested)
	if err != nil {
		return nil, err
	}
	o.Stores, o.SumDB, o.Log = stores, sums, log
	o.Private, o.AllowUnrecorded = a.PrivatePatterns(c), c.Bool(command.FlagUnrecorded)
	private := c.String(command.FlagPrivate)
	if o.Policy != nil {
		private = command.JoinPatterns(private, o.Policy.Current().Private())
	}
	h, err := proxyshim.New(o)
	if err != nil {
		stores.Close()
		err = fmt.Errorf("starting the shim: %w", err)
		if errors.As(err, new(*fs.PathError)) {
			err = command.WithHint(err, "--"+command.FlagCache+" chooses another directory for what was verified")
		}
		return nil, err
	}
	return &shim{h, stores, log, private}, nil
}

// Close ends background work of the handler, then lets go of the stores.
func (s *shim) Close() error {
	return errors.Join(s.Handler.Close(), s.stores.Close())
}

// flagAuditLog names the file that each request is written down in.
const flagAuditLog = "audit-log"

func auditFlag(usage string) cli.Flag {
	return &cli.StringFlag{Name: flagAuditLog, Usage: "write each request and what became of it to `FILE`, a line of JSON each" + usage}
}

// openAuditLog opens the audit log that --audit-log names, if any.
func (a *app) openAuditLog(c *cli.Context, log *slog.Logger) (*audit.Log, error) {
	name := c.String(flagAuditLog)
	if name == "" {
		return nil, nil
	}
	l, err := audit.Open(name, a.Out, log)
	if err != nil {
		return nil, command.WithHint(err, "--"+flagAuditLog+" names a file in a directory that is there")
	}
	return l, nil
}

// openWishlist opens the wish list that --wishlist names, if any.
func openWishlist(c *cli.Context) (*wishlist.List, error) {
	w, err := wishlist.Open(c.String(flagWishlist))
	if errors.Is(err, userfile.ErrNotRegular) {
		return nil, command.UsageErrorf("--%s: %w", flagWishlist, err)
	}
	return w, err
}
