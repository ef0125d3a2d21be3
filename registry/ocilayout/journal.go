package ocilayout

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/modferry/modferry/registry"
)

// staleAfter is the age at which a temporary file, which grows as long as someone writes
// it, belongs to nobody any more.
const staleAfter = 24 * time.Hour

// layoutBatch is the tags of pushes that wait for one write to the journal.
type batch struct {
	tags []*layoutTag
	done chan struct{}
	err  error // valid when done is closed
}

// layoutTag is a tag to put.
type layoutTag struct {
	entry
	create bool  // it must not name another manifest
	err    error // valid when its batch is done
}

// lines returns what is to be appended to the journal, given the index so far. A tag to
// create that names another manifest, there or earlier in the batch, gets an error instead.
func (b *batch) lines(x *index) []byte {
	var lines []byte
	earlier := make(map[string]digest.Digest)
	for _, t := range b.tags {
		now := cmp.Or(earlier[t.ref], x.tags[t.repo][t.tag].Digest)
		if t.create && now != "" && now != t.desc.Digest {
			t.err = registry.ErrTagExists
			continue
		}
		earlier[t.ref] = t.desc.Digest
		lines = append(append(lines, t.raw...), '\n')
	}
	return lines
}

// putTag points tag at d, or creates it, and returns when that is durable.
func (l *layout) putTag(ctx context.Context, repo, tag string, d ocispec.Descriptor, create bool) error {
	e, err := newLayoutEntry(repo, tag, d)
	if err != nil {
		return err
	}
	same := false
	err = l.view.read(func(x *index) { same = x.has(e) })
	if err != nil || same {
		return err
	}
	t := &layoutTag{entry: e, create: create}
	b, err := l.enqueue(t)
	if err != nil {
		return err
	}
	select {
	case <-b.done:
		return cmp.Or(b.err, t.err)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// enqueue adds a tag to the pending batch and sees that someone writes it: a
// goroutine of its own, because a process that is stopped may hold the lock for long, and
// the pushes must be able to give up.
func (l *layout) enqueue(t *layoutTag) (*batch, error) {
	l.commitMu.Lock()
	defer l.commitMu.Unlock()
	if l.closed {
		return nil, fs.ErrClosed
	}
	if l.pending == nil {
		l.pending = &batch{done: make(chan struct{})}
	}
	l.pending.tags = append(l.pending.tags, t)
	if !l.committing {
		l.committing = true
		l.committers.Go(l.commitPending)
	}
	return l.pending, nil
}

func (l *layout) commitPending() {
	for {
		l.commitMu.Lock()
		b := l.pending
		l.pending = nil
		l.committing = b != nil
		l.commitMu.Unlock()
		if b == nil {
			return
		}
		b.err = l.commit(b)
		close(b.done)
	}
}

func (l *layout) commit(b *batch) error {
	unlock, err := l.lock(context.Background())
	if err != nil {
		return err
	}
	defer unlock()
	var lines []byte
	if err := l.view.read(func(x *index) { lines = b.lines(x) }); err != nil || len(lines) == 0 {
		return err
	}
	end, index, err := l.view.sizes()
	if err != nil {
		return err
	}
	if err := syncDir(filepath.Join(l.dir, blobsDir)); err != nil {
		return err
	}
	if err := l.appendJournal(end, lines); err != nil {
		return err
	}
	if end+int64(len(lines)) > max(l.foldSize, index) {
		// The tags are safe, and that is what the pushes asked for. A fold that
		// fails is tried again with the next tag, and on Close, which reports it.
		_ = l.fold()
	}
	return nil
}

// appendJournal writes lines at end. What follows end is a torn line. Nothing is taken
// back after an error: readers may have seen it, and all it names is there.
func (l *layout) appendJournal(end int64, lines []byte) error {
	f, err := os.OpenFile(filepath.Join(l.dir, journalFile), os.O_WRONLY|os.O_CREATE, 0o666)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if info.Size() > end {
		if err := f.Truncate(end); err != nil {
			return err
		}
	}
	if _, err := f.WriteAt(lines, end); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if end == 0 {
		return syncDir(filepath.Join(l.dir, ownDir))
	}
	return nil
}

// fold moves the journal into index.json; the lock must be held.
func (l *layout) fold() error {
	journal := filepath.Join(l.dir, journalFile)
	if _, err := os.Stat(journal); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	}
	var data []byte
	var encodeErr error
	if err := l.view.read(func(x *index) { data, encodeErr = x.encode() }); err != nil {
		return err
	}
	if encodeErr != nil {
		return encodeErr
	}
	if err := l.writeFile(ocispec.ImageIndexFile, data); err != nil {
		return err
	}
	return os.Remove(journal)
}

// close folds what this process, or one before it, has written. It may be called again.
func (l *layout) Close() error {
	l.commitMu.Lock()
	l.closed = true
	l.commitMu.Unlock()
	l.committers.Wait()
	defer l.view.Close()
	l.prepareMu.Lock()
	defer l.prepareMu.Unlock()
	if !l.prepared {
		return nil
	}
	unlock, err := l.lock(context.Background())
	if err == nil {
		defer unlock()
		err = l.fold()
	}
	if err != nil {
		return &registry.Error{
			Op: "writing index.json of", Registry: "oci:" + l.name, Err: err,
			Hint: "nothing is lost, but other tools do not see the newest tags until the next publication",
		}
	}
	return nil
}

// lock waits until no other process, and no other layout of this one, changes the
// journal or index.json. Who cannot be cancelled queues in the kernel, which is
// fair; who can be has to ask again and again.
func (l *layout) lock(ctx context.Context) (unlock func(), err error) {
	f := flock.New(filepath.Join(l.dir, lockFile), flock.SetPermissions(0o666))
	if ctx.Done() == nil {
		err = f.Lock()
	} else {
		_, err = f.TryLockContext(ctx, 10*time.Millisecond)
	}
	if err != nil {
		return nil, err
	}
	// Unlock closes the file; closing alone would do.
	return func() { _ = f.Unlock() }, nil
}

// sweep removes temporary files that killed processes left. Errors do not matter.
func sweep(tmp string) {
	entries, err := os.ReadDir(tmp)
	if err != nil {
		return
	}
	for _, e := range entries {
		if info, err := e.Info(); err == nil && time.Since(info.ModTime()) > staleAfter {
			os.Remove(filepath.Join(tmp, e.Name()))
		}
	}
}

// syncDir makes the names in a directory durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
