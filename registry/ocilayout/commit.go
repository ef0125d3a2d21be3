package ocilayout

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"github.com/modferry/modferry/artifact"
)

// syncers is how many files are made durable at a time: file systems do that for several at the price of one.
const syncers = 16

// commits are changes of tags that wait for each other, and what they wait for. Those that come while one is being
// made durable are made together, after it.
type commits struct {
	turn chan struct{} // of who makes them

	mu    sync.Mutex
	queue []*tagging
	dirty map[digest.Digest]bool // blobs that were written and are not durable as yet
}

func newCommits() commits {
	return commits{turn: make(chan struct{}, 1), dirty: make(map[digest.Digest]bool)}
}

// written takes note of blobs that are not durable.
func (c *commits) written(blobs ...digest.Digest) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, d := range blobs {
		c.dirty[d] = true
	}
}

// clean takes note that blobs are being made durable.
func (c *commits) clean(blobs []digest.Digest) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, d := range blobs {
		delete(c.dirty, d)
	}
}

// unsynced returns the blobs that are not durable.
func (c *commits) unsynced() []digest.Digest {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Collect(maps.Keys(c.dirty))
}

func (c *commits) add(t *tagging) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.queue = append(c.queue, t)
}

func (c *commits) take() (list []*tagging) {
	c.mu.Lock()
	defer c.mu.Unlock()
	list, c.queue = c.queue, nil
	return list
}

// A tagging is a change of a tag.
type tagging struct {
	repo, tag string
	pushed    ocispec.Descriptor // the manifest that it is about
	links     links              // of that

	// change returns what the tag is to name instead of what it names now, which is the zero value for nothing.
	change func(now ocispec.Descriptor) (ocispec.Descriptor, error)

	ctx  context.Context
	done chan error
}

// changeTag changes a tag, and returns when that is durable. Nobody else changes it meanwhile.
func (l *layout) changeTag(ctx context.Context, t *tagging) error {
	t.ctx, t.done = ctx, make(chan error, 1)
	l.commits.add(t)
	select {
	case err := <-t.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	case l.commits.turn <- struct{}{}:
	}
	l.commit(ctx, l.commits.take(), t)
	<-l.commits.turn
	return <-t.done
}

// commit makes changes of tags, in their order, and tells each what came of it. If ctx, which is that of own, ends before
// the lock is there, the others are left to those who wait for them.
func (l *layout) commit(ctx context.Context, list []*tagging, own *tagging) {
	list = l.syncNeeded(slices.DeleteFunc(list, (*tagging).givenUp))
	if len(list) == 0 {
		return
	}
	unlock, err := l.lock(ctx)
	if err == nil {
		defer unlock()
		err = l.apply(list)
	}
	for _, t := range list {
		if t != own && ctx.Err() != nil && errors.Is(err, ctx.Err()) {
			l.commits.add(t)
		} else {
			t.end(err)
		}
	}
}

// givenUp reports whether nobody waits for a change any more, and ends it then.
func (t *tagging) givenUp() bool {
	err := t.ctx.Err()
	if err != nil {
		t.end(err)
	}
	return err != nil
}

// end tells what came of a change, unless that was told already.
func (t *tagging) end(err error) {
	select {
	case t.done <- err:
	default:
	}
}

// apply changes tags under the lock. The error is that of all but those that were told of one of their own.
func (l *layout) apply(list []*tagging) error {
	var end int64
	now := make([]entry, len(list))
	err := l.view.read(func(x *index) {
		for i, t := range list {
			now[i], _ = x.find(t.repo, t.tag)
		}
		end = l.view.end
	})
	if err != nil {
		return err
	}
	changed, errs := make(map[string]entry), make([]error, len(list))
	var lines strings.Builder
	for i, t := range list {
		if e, ok := changed[t.repo+":"+t.tag]; ok {
			now[i] = e
		}
		e, err := l.changed(t, now[i])
		if errs[i] = err; err == nil && e != now[i] {
			changed[e.ref] = e
			lines.WriteString(e.line() + "\n")
		}
	}
	if lines.Len() > 0 {
		if err := l.appendJournal(end, lines.String()); err != nil {
			return err
		}
	}
	for i, t := range list { // not before: who is told that another was faster looks at what is there
		if errs[i] != nil {
			t.end(errs[i])
		}
	}
	return nil
}

// changed returns the entry that a tag is to have in the place of one.
func (l *layout) changed(t *tagging, now entry) (entry, error) {
	d, err := t.change(now.descriptor())
	if err != nil {
		return now, err
	}
	e, err := newEntry(t.repo, t.tag, d)
	if err != nil || e == now {
		return now, err
	}
	// Somebody may have removed what was pushed before it had a tag: see Delete.
	if err = l.checkBlob(t.pushed); err == nil {
		err = l.checkLinks(t.links)
	}
	if err != nil {
		return now, fmt.Errorf("it was removed again before it was tagged: push it once more: %w", err)
	}
	return e, nil
}

// syncNeeded makes durable what tags are to lead to, whoever has written it. It ends the changes of which something
// cannot be made durable, and returns the others.
func (l *layout) syncNeeded(list []*tagging) []*tagging {
	all, needed := make(map[digest.Digest]bool), make(map[*tagging]map[digest.Digest]bool)
	list = slices.DeleteFunc(list, func(t *tagging) bool {
		needed[t] = make(map[digest.Digest]bool)
		err := l.closure(t.ctx, needed[t], t.pushed, t.links)
		if maps.Copy(all, needed[t]); err != nil {
			t.end(err)
		}
		return err != nil
	})
	faults, err := l.syncBlobs(slices.Collect(maps.Keys(all)))
	return slices.DeleteFunc(list, func(t *tagging) bool {
		err := err
		for d := range needed[t] {
			err = cmp.Or(err, faults[d])
		}
		if err != nil {
			t.end(err)
		}
		return err != nil
	})
}

// closure adds a manifest, and all that it leads to, to what is needed.
func (l *layout) closure(ctx context.Context, needed map[digest.Digest]bool, d ocispec.Descriptor, m links) error {
	needed[d.Digest] = true
	for _, child := range m.Manifests {
		if needed[child.Digest] {
			continue // indexes may share what they list
		}
		links, err := l.links(ctx, child)
		if errors.Is(err, artifact.ErrCorrupt) {
			continue // it is damaged, or lives elsewhere
		}
		if err == nil {
			err = l.closure(ctx, needed, child, links)
		}
		if err != nil {
			return err
		}
	}
	for _, link := range m.all() {
		needed[link.Digest] = true
	}
	return nil
}

// syncBlobs makes blobs durable, and then the names of all of them; faults are those of single ones. Those that are not
// there, who needs them finds out.
func (l *layout) syncBlobs(blobs []digest.Digest) (faults map[digest.Digest]error, err error) {
	if len(blobs) == 0 {
		return nil, nil
	}
	l.commits.clean(blobs) // before: one that somebody writes again meanwhile is another file
	faults = make(map[digest.Digest]error)
	var mu sync.Mutex
	var g errgroup.Group
	g.SetLimit(syncers)
	for _, d := range blobs {
		g.Go(func() error {
			if err := l.sync(l.blobPath(d)); err != nil && !errors.Is(err, fs.ErrNotExist) {
				mu.Lock()
				defer mu.Unlock()
				faults[d] = err
			}
			return nil
		})
	}
	_ = g.Wait() // the errors are in faults
	if err = l.sync(l.path(blobsDir)); err != nil {
		l.commits.written(blobs...)
	}
	l.commits.written(slices.Collect(maps.Keys(faults))...)
	return faults, err
}
