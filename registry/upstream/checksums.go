package upstream

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"golang.org/x/mod/module"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/artifact/sumdb"
)

// ChecksumOptions configures [NewChecksums].
type ChecksumOptions struct {
	// GOSUMDB names the database as the go command's variable of that name: a known name or a verifier key, and
	// optionally the URL to ask. "" is sum.golang.org.
	GOSUMDB string

	// NoSumDB are patterns of modules whose names are never sent to the database: those
	// of GONOSUMDB, and other private ones.
	NoSumDB string

	// Upstream says which proxies may know the database too. As with the go command, they are asked first, and the
	// database itself only if none of them carries it.
	Upstream *Upstream
}

// Checksums is where a checksum database is asked: a transparent log of the go.sum lines of every public module
// version. What it answers is not checked here. It is safe for concurrent use. A nil *Checksums covers no module.
type Checksums struct {
	Log      *sumdb.Log
	noSumDB  string
	up       *Upstream
	own      entry // the database's own address
	explicit bool  // the user gave it

	mu   sync.Mutex
	base *logBase // where it is asked; nil = not found out yet
}

// logBase is an address of a database: the entry, and the prefix of the names there.
type logBase struct {
	entry
	prefix string
}

// NewChecksums returns the database that o names, or nil if GOSUMDB is "off". It makes no request.
func NewChecksums(o ChecksumOptions) (*Checksums, error) {
	log, base, err := sumdb.ParseGOSUMDB(cmp.Or(o.GOSUMDB, sumdb.DefaultLog))
	if errors.Is(err, sumdb.ErrOff) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	c := &Checksums{Log: log, noSumDB: o.NoSumDB, up: o.Upstream, explicit: base != ""}
	if c.own, err = o.Upstream.parseURL(cmp.Or(base, "https://"+log.Name())); err != nil {
		return nil, fmt.Errorf("GOSUMDB: %w", err)
	}
	return c, nil
}

// Name returns the database's name, and "" for a nil c.
func (c *Checksums) Name() string {
	if c == nil {
		return ""
	}
	return c.Log.Name()
}

// Covers reports whether the database may be asked about a module.
func (c *Checksums) Covers(path string) bool {
	return c != nil && !module.MatchPrefixPatterns(c.noSumDB, path)
}

// Latest asks for the newest signed tree head.
func (c *Checksums) Latest(ctx context.Context) (sumdb.Head, error) {
	note, err := c.read(ctx, "latest", sumdb.MaxNote)
	if err != nil {
		return sumdb.Head{}, fmt.Errorf("asking the checksum database %s for its newest tree head: %w", c.Name(), err)
	}
	head, err := c.Log.OpenHead(note)
	if err != nil {
		return sumdb.Head{}, c.Alarm(err)
	}
	return head, nil
}

// Tile asks for a tile; it is a sumdb.TileFunc.
func (c *Checksums) Tile(ctx context.Context, t tlog.Tile) ([]byte, error) {
	return c.read(ctx, t.Path(), sumdb.TileSize)
}

// Lookup asks for the record of a version.
func (c *Checksums) Lookup(ctx context.Context, m module.Version) ([]byte, error) {
	path, err := sumdb.LookupPath(m)
	if err != nil {
		return nil, fmt.Errorf("checking %s: %w", m, err)
	}
	data, err := c.read(ctx, path, sumdb.MaxRecord+sumdb.MaxNote)
	if errors.Is(err, ErrNotFound) {
		return nil, fmt.Errorf("checking %s: the checksum database %s does not know it (%w); if the module is private, say so with --private or GONOSUMDB",
			m, c.Name(), err)
	}
	if err != nil {
		return nil, fmt.Errorf("checking %s against the checksum database %s: %w", m, c.Name(), err)
	}
	return data, nil
}

// read fetches a file of the database.
func (c *Checksums) read(ctx context.Context, name string, limit int64) ([]byte, error) {
	base, err := c.where(ctx)
	if err != nil {
		return nil, err
	}
	return c.readFrom(ctx, base.entry, base.prefix+name, limit)
}

// readFrom fetches a file, with an error that says from where.
func (c *Checksums) readFrom(ctx context.Context, e entry, name string, limit int64) ([]byte, error) {
	var data []byte
	err := c.up.fetchFrom(ctx, e.tree, name, func(r io.Reader) (err error) {
		data, err = readLimited(r, limit)
		return err
	})
	if err == nil {
		return data, nil
	}
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if status, ok := errors.AsType[*statusError](err); ok {
		return nil, fmt.Errorf("%s: %w (%d %s)", e.name, err, status.code, status.message)
	}
	return nil, fmt.Errorf("%s: %w", e.name, err)
}

// where returns the address to ask, and finds it out the first time.
func (c *Checksums) where(ctx context.Context) (*logBase, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.base != nil {
		return c.base, nil
	}
	base, err := c.choose(ctx)
	if err == nil {
		c.base = base
	}
	return base, err
}

// choose finds out where to ask, as the go command does: at the address the user gave; else at the first proxy that
// carries the database, never elsewhere then; else at the database itself.
func (c *Checksums) choose(ctx context.Context) (*logBase, error) {
	own := &logBase{entry: c.own}
	if c.explicit {
		return own, nil
	}
	for _, e := range c.up.entries {
		if e.tree == nil {
			return own, nil // direct or off
		}
		prefix := "sumdb/" + c.Name() + "/"
		_, err := c.readFrom(ctx, e, prefix+"supported", sumdb.MaxNote)
		switch {
		case err == nil:
			return &logBase{entry: e, prefix: prefix}, nil
		case ctx.Err() != nil, !errors.Is(err, ErrNotFound) && !e.fallBack:
			return nil, err
		}
	}
	return own, nil
}

// Alarm says that the database contradicts itself, if that is what err means. The result then is ErrChecksum.
func (c *Checksums) Alarm(err error) error {
	if !IsAlarm(err) || errors.Is(err, ErrChecksum) {
		return err
	}
	return fmt.Errorf("SECURITY: the checksum database %s contradicts itself; do not trust anything from this network: %w: %w", c.Name(), ErrChecksum, err)
}

// IsAlarm reports whether an error of reading a checksum database means that somebody lies: a head that nobody
// signed, a history that was rewritten, or content that the signed head does not cover.
func IsAlarm(err error) bool {
	for _, target := range []error{
		sumdb.ErrSignature, sumdb.ErrForked, sumdb.ErrShrunk,
		artifact.ErrCorrupt, artifact.ErrIdentity, ErrChecksum,
	} {
		if errors.Is(err, target) {
			return true
		}
	}
	return false
}
