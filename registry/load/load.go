// Package load puts what came on media into a store: the volumes of a bundle, one at a time and in any order, and
// archives that image tools wrote. Everything in them is verified before it is pushed, as [transfer.Copier] does.
package load

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/modferry/modferry/artifact/sumdb"
	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/bundle"
	"github.com/modferry/modferry/registry/transfer"
	"github.com/modferry/modferry/registry/verify"
)

// A Loader loads into a store. Destination, of Checker what a Copier needs, and Report are required.
type Loader struct {
	Destination *registry.Store
	Checker     verify.Checker
	Jobs        int  // items at a time; 0 = as many as [transfer.Copier.CopyAll] takes
	DryRun      bool // verify, and write nothing

	// WorkDir keeps parts of files that are cut, until the volumes with the others come; "" = such files are not loaded.
	WorkDir string
	TempDir string // for zips while they are verified; "" = the system's

	// Report is told what became of each item.
	Report func(transfer.Event)
	// Opened is told of each volume, before its items: the keys that vouch for its manifest, or why none does.
	Opened func(name string, i bundle.Info, keys []string, unsigned error)
	// Waits is told, after Report would have been, of an item that has parts in other volumes of which none was loaded.
	Waits func(it transfer.Item, volumes []int)
}

// ErrNoBase: the destination lacks what a differential bundle builds upon.
var ErrNoBase = errors.New("it is a differential bundle, and the store lacks what it builds upon")

// A BaseError says what of a differential bundle's base the destination lacks. It is [ErrNoBase].
type BaseError struct {
	Base  string // digest of the inventory
	Lacks []transfer.Item
}

// maxNamed bounds how many items an error names.
const maxNamed = 10

// Error names some of what is lacking.
func (e *BaseError) Error() string {
	var names []string
	for _, it := range e.Lacks[:min(maxNamed, len(e.Lacks))] {
		names = append(names, it.String())
	}
	more := ""
	if n := len(e.Lacks) - len(names); n > 0 {
		more = fmt.Sprintf(" and %d more", n)
	}
	return fmt.Sprintf("%v, the inventory %s: %s%s; nothing of it was loaded: load the bundles before it, "+
		"or have one made for an inventory of this store",
		ErrNoBase, e.Base, strings.Join(names, ", "), more)
}

// Is reports whether target is ErrNoBase.
func (e *BaseError) Is(target error) bool { return target == ErrNoBase }

// An OpenError says why a volume cannot be opened. Others are not concerned.
type OpenError struct{ Err error }

// Error returns the text of Err, which names the volume.
func (e *OpenError) Error() string { return e.Err.Error() }

// Unwrap returns Err.
func (e *OpenError) Unwrap() error { return e.Err }

// File loads a volume from a directory or the file of a tar. Whatever is in it that can be used is loaded; an error is
// about the volume as a whole, or says why the rest was not tried. Of what is no volume of a bundle at all it is
// [bundle.ErrNoBundle].
func (l *Loader) File(ctx context.Context, name string) error {
	return l.with(ctx, name, false, func(o bundle.Options) (*bundle.Volume, error) { return bundle.Open(name, o) })
}

// Pipe loads a volume that is read from its beginning to its end. It takes the temporary space of one item.
func (l *Loader) Pipe(ctx context.Context, name string, r io.Reader) error {
	return l.with(ctx, name, true, func(o bundle.Options) (*bundle.Volume, error) { return bundle.OpenPipe(name, r, o) })
}

func (l *Loader) with(ctx context.Context, name string, pipe bool, open func(bundle.Options) (*bundle.Volume, error)) error {
	v, err := open(bundle.Options{Base: l.Destination, PartsDir: l.WorkDir, TempDir: l.TempDir})
	if err != nil {
		return &OpenError{err}
	}
	defer v.Close()
	keys, unsigned := v.Verify(ctx, l.Checker.Verifier)
	l.Opened(name, v.Info(), keys, unsigned)
	if err := l.checkBase(ctx, v); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	checker := l.Checker
	checker.Patience = nil // nothing comes later
	loading := &loading{
		Loader: l, v: v, items: v.Items(), pipe: pipe,
		c: &transfer.Copier{
			Source: registry.New(v), Destination: l.Destination, Checker: checker, Local: true, TempDir: l.TempDir, DryRun: l.DryRun,
			Ahead: len(v.Info().Volumes) > 1,
		},
	}
	return loading.run(ctx)
}

// checkBase looks whether the destination has all that the bundle leaves out.
func (l *Loader) checkBase(ctx context.Context, v *bundle.Volume) error {
	if v.Info().Base == "" {
		return nil
	}
	omitted := v.Omitted()
	lacks := make([]bool, len(omitted))
	g, groupCtx := errgroup.WithContext(ctx)
	g.SetLimit(cmp.Or(l.Jobs, 4))
	for n, it := range omitted {
		g.Go(func() error {
			d, err := l.Destination.Resolve(groupCtx, it.Repository, it.Tag)
			absent := registry.IsAbsent(err)
			lacks[n] = absent || err == nil && d.Digest != it.Descriptor.Digest && !moves(it)
			if absent {
				return nil
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return fmt.Errorf("looking for what the bundle builds upon: %w", err)
	}
	e := &BaseError{Base: v.Info().Base.String()}
	for n, it := range omitted {
		if lacks[n] {
			e.Lacks = append(e.Lacks, it)
		}
	}
	for n, it := range v.Items() {
		for _, d := range v.LeftOut(n) {
			err := l.Destination.CheckBlob(ctx, it.Repository, d)
			if errors.Is(err, registry.ErrNotFound) || errors.Is(err, registry.ErrCorrupt) {
				e.Lacks = append(e.Lacks, transfer.Item{Repository: it.Repository, Tag: d.Digest.String()})
			} else if err != nil {
				return fmt.Errorf("looking for what the bundle builds upon: %w", err)
			}
		}
	}
	if e.Lacks != nil {
		return e
	}
	return nil
}

// moves reports whether an item's tag moves on, so that a store that has another one under it may have a newer one. What
// each means is checked when something is to be put in its place.
func moves(it transfer.Item) bool {
	switch it.Kind() {
	case transfer.Index, transfer.Revision:
		return true
	case transfer.Snapshot:
		return it.Tag == sumdb.LatestTag
	}
	return false
}

// loading is the loading of one volume.
type loading struct {
	*Loader
	v     *bundle.Volume
	c     *transfer.Copier
	items []transfer.Item
	pipe  bool

	evidence []int // that was copied, and that the version after it is confirmed with
}

func (l *loading) run(ctx context.Context) error {
	size, jobs := max(len(l.items), 1), l.Jobs
	if l.pipe {
		size, jobs = 1, 1 // in the order of its bytes, with room for one
	}
	for start := 0; start < len(l.items); start += size {
		end := min(start+size, len(l.items))
		if err := l.copy(ctx, start, end, jobs); err != nil {
			return err
		}
		for n := start; n < end; n++ {
			l.release(n)
		}
	}
	return nil
}

// copy copies some items, and keeps the parts of those that wait for other volumes.
func (l *loading) copy(ctx context.Context, start, end, jobs int) error {
	numbers := make(map[string]int)
	for n := start; n < end; n++ {
		numbers[l.items[n].String()] = n
	}
	var waiting []transfer.Event
	err := l.c.CopyAll(ctx, l.items[start:end], jobs, func(e transfer.Event) {
		var parts *bundle.PartsError
		if errors.As(e.Err, &parts) && l.WorkDir != "" {
			waiting = append(waiting, e)
			return
		}
		switch n := numbers[e.Item.String()]; {
		case l.DryRun || l.WorkDir == "":
		case e.Err == nil:
			l.v.DropParts(n)
		case errors.Is(e.Err, registry.ErrCorrupt):
			l.v.DropDamaged(n)
		}
		l.Report(e)
	})
	for _, e := range waiting {
		n := numbers[e.Item.String()]
		if err := l.keep(ctx, n); err != nil {
			e.Err = err
			l.Report(e)
		} else {
			l.Waits(l.items[n], l.v.Lacks(n))
		}
	}
	return err
}

func (l *loading) keep(ctx context.Context, n int) error {
	if l.DryRun {
		return nil
	}
	return l.v.KeepParts(ctx, n)
}

// release lets the files of an item go. Those of evidence are needed until its version was verified, in both its forms.
func (l *loading) release(n int) {
	if l.items[n].Kind() == transfer.Evidence {
		l.evidence = append(l.evidence, n)
		return
	}
	l.v.Release(n)
	if next := n + 1; next < len(l.items) && l.items[next].Kind() == transfer.Version &&
		l.items[next].Repository == l.items[n].Repository {
		return
	}
	for _, n := range l.evidence {
		l.v.Release(n)
	}
	l.evidence = nil
}

// DefaultWorkDir is where parts are kept if nobody says where: in the user's cache directory. It is "" for a user
// without one.
func DefaultWorkDir() string {
	dir, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	return filepath.Join(dir, "modferry", "load")
}
