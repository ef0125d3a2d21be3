// Package upstream reads modules from where they come from: the proxies of a GOPROXY list, version control by way of the go
// command, module caches and directories of other proxies; and the checksum database.
package upstream

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"
	modzip "golang.org/x/mod/zip"

	"github.com/modferry/modferry/artifact/goproxy"
	"github.com/modferry/modferry/registry/httpclient"
)

// Options configures an [Upstream]. Only GOPROXY is needed.
type Options struct {
	// GOPROXY lists where to ask, as the go command's variable of that name: http, https and file URLs, "direct" and
	// "off". After "," the next entry is asked when a module does not exist, after "|" when anything went wrong. A
	// directory may also be a cache, of which much is missing: see [Tree].
	GOPROXY string

	// NoProxy are patterns of modules (as of GONOPROXY) that are fetched directly, whatever GOPROXY says.
	NoProxy string

	// Private are patterns of modules that must not become known to a public proxy: of GOPROXY only entries on this
	// machine and on hosts all of whose addresses are of private networks are asked for them, and then they are
	// fetched directly.
	Private string

	Go         string        // the go command that fetches directly; "" = the one in PATH
	Netrc      string        // file with credentials; "" = $NETRC or ~/.netrc
	TempDir    string        // for what is fetched directly; "" = the system's
	Client     *http.Client  // nil = one of its own
	Log        *slog.Logger  // nil = discard
	Retries    int           // after the first attempt; 0 = 3, negative = none
	MinBackoff time.Duration // before the first retry; 0 = 300 ms
	Stall      time.Duration // how long a server may stay silent; 0 = 1 min
}

// Upstream fetches module versions from a GOPROXY list. It is safe for concurrent use. What upstreams do wrong is an
// [*Error]; other errors are the context's, or of this machine.
type Upstream struct {
	o       Options
	first   []entry // directories to ask before all others
	entries []entry // as GOPROXY says
	direct  entry

	// spool has what a [Source] fetched, and is asked before all others for the files of versions; nil = there is none.
	spool atomic.Pointer[entry]
}

// Limits on what upstream sends, in bytes.
const (
	MaxInfo = 1 << 20
	maxList = 16 << 20
)

// New returns an Upstream. It makes no request. The error says what is wrong
// with the options; an empty GOPROXY is, as there is no built-in proxy.
func New(o Options) (*Upstream, error) {
	o.Log = cmp.Or(o.Log, slog.New(slog.DiscardHandler))
	o.Retries = cmp.Or(o.Retries, 3)
	o.MinBackoff = cmp.Or(o.MinBackoff, 300*time.Millisecond)
	o.Stall = cmp.Or(o.Stall, time.Minute)
	client := *cmp.Or(o.Client, newHTTPClient())
	client.Transport = &httpclient.Transport{Base: cmp.Or(client.Transport, http.DefaultTransport), Limit: o.Stall}
	o.Client = &client
	u := &Upstream{o: o}
	u.direct = entry{name: "direct", direct: newDirect(o)}
	entries, err := u.parseGOPROXY(o.GOPROXY)
	if err != nil {
		return nil, fmt.Errorf("GOPROXY: %w", err)
	}
	u.entries = entries
	return u, nil
}

// Close removes what was fetched directly.
func (u *Upstream) Close() error { return u.direct.direct.close() }

// Info fetches the .info file of a version. The version may also be a revision
// that upstream knows: a commit, a branch, a tag.
//
// Directories often have a version without it. It is made up for them, and says only the
// version, if nobody else has the real one either, may be asked for it, or can be reached
// directly. As long as a proxy does not answer, it is not: what is mirrored stays as it is.
func (u *Upstream) Info(ctx context.Context, m module.Version) ([]byte, error) {
	data, err := u.bytes(ctx, goproxy.File{Version: m, Kind: goproxy.Info}, MaxInfo)
	if err == nil || ctx.Err() != nil {
		return data, err
	}
	made, dir := u.bareInfo(m)
	var direct *directError
	switch {
	case made == nil:
		return nil, err
	case errors.Is(err, ErrNotFound), errors.Is(err, ErrOff), errors.Is(err, exec.ErrNotFound), errors.As(err, &direct):
		u.o.Log.DebugContext(ctx, "made up an .info file", "module", m, "after", err)
		return made, nil
	}
	return nil, fmt.Errorf("%w; %s has the version without its .info file, which is made up if nobody else is to be asked: GOPROXY=off", err, dir)
}

// bareInfo makes up the .info file of a version for the first directory that has the version; nil if none has.
func (u *Upstream) bareInfo(m module.Version) (info []byte, dir string) {
	for _, e := range u.entriesFor(m.Path) {
		if t, ok := e.tree.(localTree); ok && t.has(m) {
			return MadeUpInfo(m), e.name
		}
	}
	return nil, ""
}

// GoMod fetches the go.mod file of a version.
func (u *Upstream) GoMod(ctx context.Context, m module.Version) ([]byte, error) {
	return u.bytes(ctx, goproxy.File{Version: m, Kind: goproxy.Mod}, modzip.MaxGoMod)
}

// Zip fetches the zip of a version into dst, which is overwritten. After an error dst holds a useless part.
func (u *Upstream) Zip(ctx context.Context, m module.Version, dst *os.File) error {
	w := goproxy.File{Version: m, Kind: goproxy.Zip}
	return u.walk(ctx, w, func(e entry) error {
		return u.fetch(ctx, e, w, func(r io.Reader) error {
			if _, err := dst.Seek(0, io.SeekStart); err != nil {
				return &localError{err}
			}
			if err := dst.Truncate(0); err != nil {
				return &localError{err}
			}
			return copyLimited(dst, r, modzip.MaxZipFile)
		})
	})
}

// List returns the tagged versions upstream has of a module, in semver order.
func (u *Upstream) List(ctx context.Context, path string) ([]string, error) {
	data, err := u.bytes(ctx, goproxy.File{Version: module.Version{Path: path}, Kind: goproxy.List}, maxList)
	if err != nil {
		return nil, err
	}
	var tagged []string
	for _, v := range goproxy.ParseList(data) {
		if !module.IsPseudoVersion(v) {
			tagged = append(tagged, v)
		}
	}
	semver.Sort(tagged)
	return tagged, nil
}

func (u *Upstream) bytes(ctx context.Context, w goproxy.File, limit int64) ([]byte, error) {
	var data []byte
	err := u.walk(ctx, w, func(e entry) (err error) {
		data, err = u.read(ctx, e, w, limit)
		return err
	})
	return data, err
}

// read fetches a small file from one entry.
func (u *Upstream) read(ctx context.Context, e entry, w goproxy.File, limit int64) ([]byte, error) {
	var data []byte
	err := u.fetch(ctx, e, w, func(r io.Reader) (err error) {
		data, err = readLimited(r, limit)
		return err
	})
	return data, err
}

// walk calls ask for one entry after the other, as the go command does: until one
// succeeds, or fails in a way that forbids to ask the next one.
//
// The error reported is the last that is more than "not found here".
func (u *Upstream) walk(ctx context.Context, w goproxy.File, ask func(entry) error) error {
	var best *Error
	var asked []string
	onlyDirect := true
	entries := u.entriesFor(w.Path)
	if spool := u.spool.Load(); spool != nil && w.Kind != goproxy.List && goproxy.IsVersion(w.Version) {
		entries = slices.Insert(entries, 0, *spool)
	}
	for _, e := range entries {
		err := ask(e)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if local, ok := errors.AsType[*localError](err); ok {
			return fmt.Errorf("fetching the %s of %s: %w", w.Kind, w.Version, local.err)
		}
		if e.name != "" { // the spool is nobody's business
			asked = append(asked, e.name)
		}
		absent := errors.Is(err, ErrNotFound)
		onlyDirect = onlyDirect && (absent || e.direct != nil)
		if best == nil || !absent || errors.Is(best, ErrNotFound) {
			best = newError(w, e, err)
		}
		_, isDir := e.tree.(localTree) // others may have versions that a cache lacks
		if !absent && !e.fallBack && !(isDir && errors.Is(err, ErrNoMatch)) {
			break
		}
	}
	if best == nil {
		return &Error{Module: w.Version, File: string(w.Kind), Source: "GOPROXY", Err: ErrOff}
	}
	if errors.Is(best, ErrNotFound) {
		best.Source = strings.Join(asked, ", ")
	}
	best.onlyDirect = onlyDirect
	return best
}

func newError(w goproxy.File, e entry, err error) *Error {
	out := &Error{Module: w.Version, File: string(w.Kind), Source: e.name, Err: err}
	if status, ok := errors.AsType[*statusError](err); ok {
		out.Status, out.Message, out.Err = status.code, status.message, status.Unwrap()
	}
	return out
}
