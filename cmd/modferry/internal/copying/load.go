package copying

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/bundle"
	"github.com/modferry/modferry/registry/bundle/parity"
	"github.com/modferry/modferry/registry/load"
	"github.com/modferry/modferry/registry/redact"
	"github.com/modferry/modferry/registry/tempdir"
	"github.com/modferry/modferry/registry/transfer"
)

// Loads loads volumes, and says what becomes of them.
type Loads struct {
	Loader load.Loader
	In     io.Reader // what "-" names
	Report *Report
	Wishes *Wishes
}

// Run loads volumes one after the other. One that cannot be used does not hinder the others. The error says why the rest
// was not tried.
func (l *Loads) Run(ctx context.Context, names []string) error {
	l.Loader.Report = func(e transfer.Event) {
		l.Report.Event(e)
		l.Wishes.Add(e)
	}
	l.Loader.Opened = l.opened
	l.Loader.Waits = l.Report.waits
	dir, remove, err := tempdir.New(l.Loader.TempDir, "modferry-load-")
	if err != nil {
		return err
	}
	defer remove()
	l.Loader.TempDir = dir
	var archives []string
	for _, name := range parity.Volumes(names) {
		if _, err := os.Stat(name); name != "-" && err != nil {
			l.Report.Broken([]error{err})
			continue
		}
		if name != "-" && !parity.HasSidecar(name) && !load.IsBundle(name) {
			archives = append(archives, name)
			continue
		}
		if err := l.volume(ctx, name); err != nil {
			return err
		}
	}
	if archives == nil {
		return nil
	}
	broken, err := l.Loader.Archives(ctx, archives)
	l.Report.Broken(broken)
	if ofVolume(err) {
		l.Report.refuse(err)
		return nil
	}
	return err
}

// volume loads one volume.
func (l *Loads) volume(ctx context.Context, name string) (err error) {
	if name == "-" {
		err = l.Loader.Pipe(ctx, "standard input", l.In)
	} else {
		err = l.file(ctx, name)
	}
	var unopened *load.OpenError
	switch {
	case ofVolume(err):
		l.Report.refuse(err)
		return nil
	case errors.As(err, &unopened):
		l.Report.Broken([]error{err})
		return nil
	}
	return err
}

// file loads a volume from a file or a directory. If there is parity beside it, and it is damaged, a repaired copy is loaded.
func (l *Loads) file(ctx context.Context, name string) error {
	m, remove := l.mend(ctx, name)
	defer remove()
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case m.Err != nil:
		fmt.Fprintf(l.Report.Err, "modferry: WARNING: %s; it is loaded as it is\n", redact.Text(m.Err.Error()))
	case m.Repaired():
		fmt.Fprintf(l.Report.Err, "modferry: %s: %v; a copy that was repaired by its parity is loaded\n", name, m.Damage)
	}
	return l.Loader.File(ctx, m.Path)
}

// mend repairs a volume that has parity beside it, in the directory that has room for parts of others.
func (l *Loads) mend(ctx context.Context, name string) (m *parity.Mended, remove func()) {
	dir := l.Loader.WorkDir
	if !parity.HasSidecar(name) || dir == "" {
		m = parity.Mend(ctx, name, l.Loader.TempDir)
		return m, func() { m.Close() }
	}
	err := os.MkdirAll(dir, 0o777)
	if err == nil {
		dir, remove, err = tempdir.New(dir, "repaired-")
	}
	if err != nil {
		return &parity.Mended{Path: name, Err: err}, func() {}
	}
	return parity.Mend(ctx, name, dir), remove
}

// ofVolume reports whether an error is about one volume.
func ofVolume(err error) bool {
	return errors.Is(err, load.ErrNoBase) || errors.Is(err, registry.ErrCorrupt) || errors.Is(err, artifact.ErrLimit)
}

// opened says which volume is loaded, and warns if nobody vouches for its being complete.
func (l *Loads) opened(name string, i bundle.Info, keys []string, unsigned error) {
	if l.Report.JSON {
		_ = json.NewEncoder(l.Report.Out).Encode(map[string]any{"volume": volumeLine{
			Name: name, Bundle: i.Bundle.String(), Volume: i.Volume, Volumes: len(i.Volumes), Base: i.Base.String(), Keys: keys,
		}})
	} else {
		fmt.Fprintf(l.Report.Err, "modferry: loading volume %d of %d of the bundle %.19s: %d items\n",
			i.Volume, len(i.Volumes), i.Bundle, i.Volumes[i.Volume-1].Items)
	}
	if unsigned == nil {
		return
	}
	what := "its list of files is signed by nobody who is trusted"
	if errors.Is(unsigned, sign.ErrUnsigned) {
		what = "its list of files is not signed"
	}
	fmt.Fprintf(l.Report.Err, "modferry: WARNING: %s: %s: what is in it is verified, "+
		"but whoever carried it may have left something out\n", name, what)
}

// volumeLine is a volume in the JSON output.
type volumeLine struct {
	Name    string   `json:"name"`
	Bundle  string   `json:"bundle"`
	Volume  int      `json:"number"`
	Volumes int      `json:"of"`
	Base    string   `json:"base,omitempty"`
	Keys    []string `json:"keys,omitempty"`
}

// refuse reports a volume that was refused as a whole.
func (r *Report) refuse(err error) {
	r.Counts.Refused++
	fmt.Fprintf(r.Err, "modferry: %s\n", redact.Text(err.Error()))
}

// waits reports an item that waits for other volumes.
func (r *Report) waits(it transfer.Item, volumes []int) {
	if r.waiting == nil {
		r.waiting = make(map[string]bool)
	}
	r.waiting[it.String()] = true
	r.Counts.Waiting = len(r.waiting)
	slices.Sort(volumes)
	volumes = slices.Compact(volumes)
	e := transfer.Event{Item: it}
	l := r.line(e, waiting)
	if r.JSON {
		l.Volumes = volumes
		_ = json.NewEncoder(r.Out).Encode(l)
		return
	}
	fmt.Fprintf(r.Out, "%v  for parts in the volumes %v\n", l, volumes)
}
