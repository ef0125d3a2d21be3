package ocilayout

import (
	"cmp"
	"context"
	"os"

	"github.com/gofrs/flock"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/modferry/modferry/registry"
)

// putTag points tag at d, and returns when that is durable. A tag to create must not name another manifest.
func (l *layout) putTag(ctx context.Context, repo, tag string, d ocispec.Descriptor, create bool) error {
	e, err := newEntry(repo, tag, d)
	if err != nil {
		return err
	}
	if err := syncDir(l.path(blobsDir)); err != nil { // not under the lock, where others would wait for it
		return err
	}
	unlock, err := l.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	var now digest.Digest
	var same bool
	var end, folded int64
	err = l.view.read(func(x *index) {
		now, same = x.tags[repo][tag].Digest, x.has(e)
		end, folded = l.view.end, l.view.file.Size()
	})
	switch {
	case err != nil || same:
		return err
	case create && now != "" && now != d.Digest:
		return registry.ErrTagExists
	}
	line := append(e.raw, '\n')
	if err := l.appendJournal(end, line); err != nil {
		return err
	}
	if end+int64(len(line)) > max(l.foldSize, folded) {
		// The tag is safe, and that is what the push asked for. A fold that
		// fails is tried again with the next tag, and on Close, which reports it.
		_ = l.fold()
	}
	return nil
}

// appendJournal writes a line at end, where a torn one may be. Nothing is taken
// back after an error: readers may have seen it, and all it names is there.
func (l *layout) appendJournal(end int64, line []byte) error {
	f, err := os.OpenFile(l.path(journalFile), os.O_WRONLY|os.O_CREATE, 0o666)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Truncate(end); err != nil {
		return err
	}
	if _, err := f.WriteAt(line, end); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if end == 0 {
		return syncDir(l.path(ownDir))
	}
	return nil
}

// fold moves the journal into index.json; the lock must be held.
func (l *layout) fold() error {
	var data []byte
	var encodeErr error
	err := l.view.read(func(x *index) {
		if l.view.journal != nil {
			data, encodeErr = x.encode()
		}
	})
	if err := cmp.Or(err, encodeErr); err != nil || data == nil {
		return err
	}
	if err := l.writeFile(ocispec.ImageIndexFile, data); err != nil {
		return err
	}
	return os.Remove(l.path(journalFile))
}

// Close folds what this process, or one before it, has written. It may be called again.
func (l *layout) Close() error {
	defer l.view.close()
	l.mu.Lock()
	defer l.mu.Unlock()
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

// lock waits until nobody else, in this process or another, has the lock. It queues in the kernel, which is fair, as asking
// again and again would not be; a caller that gives up leaves its place to a goroutine, which gives it up when its turn comes.
func (l *layout) lock(ctx context.Context) (unlock func(), _ error) {
	f := flock.New(l.path(lockFile), flock.SetPermissions(0o666))
	free := func() { _ = f.Unlock() } // closes the file; closing alone would do
	locked := make(chan error)
	go func() {
		err := f.Lock()
		select {
		case locked <- err:
		case <-ctx.Done():
			free()
		}
	}()
	select {
	case err := <-locked:
		return free, err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
