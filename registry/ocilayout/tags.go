package ocilayout

import (
	"cmp"
	"context"
	"fmt"
	"os"

	"github.com/gofrs/flock"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/modferry/modferry/registry"
)

// putTag points tag at d, and returns when that is durable. A tag to create must not name another manifest.
func (l *layout) putTag(ctx context.Context, repo, tag string, d ocispec.Descriptor, create bool) error {
	return l.changeTag(ctx, repo, tag, func(now ocispec.Descriptor) (ocispec.Descriptor, error) {
		if create && now.Digest != "" && now.Digest != d.Digest {
			return d, registry.ErrTagExists
		}
		return d, nil
	})
}

// listReferrer sees that a manifest that was pushed is in the list of its subject's referrers.
func (l *layout) listReferrer(ctx context.Context, repo string, subject digest.Digest, referrer ocispec.Descriptor) error {
	return l.changeTag(ctx, repo, registry.ReferrersTag(subject), func(now ocispec.Descriptor) (ocispec.Descriptor, error) {
		var index []byte
		var err error
		if now.Digest != "" && now.Digest != subject { // no list: "cosign copy" puts the subject there
			if index, err = l.readManifest(ctx, now); err != nil {
				return now, err
			}
		}
		list, added, err := registry.AddReferrer(index, referrer)
		if err != nil || !added {
			return now, err
		}
		if err := l.putManifest(ctx, list.Descriptor, list.Raw); err != nil {
			return now, err
		}
		return list.Descriptor, syncDir(l.path(blobsDir))
	})
}

// changeTag points a tag at what change makes of what it names now, the zero value for nothing, and returns when that is
// durable. Nobody else changes it meanwhile.
func (l *layout) changeTag(ctx context.Context, repo, tag string, change func(now ocispec.Descriptor) (ocispec.Descriptor, error)) error {
	if err := syncDir(l.path(blobsDir)); err != nil { // not under the lock, where others would wait for it
		return err
	}
	unlock, err := l.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	var now entry
	var end int64
	err = l.view.read(func(x *index) {
		now, _ = x.find(repo, tag)
		end = l.view.end
	})
	if err != nil {
		return err
	}
	d, err := change(now.descriptor())
	if err != nil {
		return err
	}
	e, err := newEntry(repo, tag, d)
	if err != nil || now == e {
		return err
	}
	if err := l.stillThere(ctx, d); err != nil {
		return err
	}
	return l.appendJournal(end, e.line()+"\n")
}

// stillThere is an error unless a manifest is there with all that it lists. Somebody may have removed what was pushed
// before it had a tag: see [layout.Delete]. The lock must be held.
func (l *layout) stillThere(ctx context.Context, d ocispec.Descriptor) error {
	raw, err := l.readManifest(ctx, d)
	if err == nil {
		err = l.checkLinks(raw)
	}
	if err != nil {
		return fmt.Errorf("it was removed again before it was tagged: push it once more: %w", err)
	}
	return nil
}

// appendJournal writes a line at end, where a torn one may be. Nothing is taken
// back after an error: readers may have seen it, and all it names is there.
func (l *layout) appendJournal(end int64, line string) error {
	f, err := os.OpenFile(l.path(journalFile), os.O_WRONLY|os.O_CREATE, 0o666)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Truncate(end); err != nil {
		return err
	}
	if _, err := f.WriteAt([]byte(line), end); err != nil {
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
	var folded error
	err := l.view.read(func(x *index) {
		if l.view.journal == nil {
			return
		}
		if folded = l.writeFile(ocispec.ImageIndexFile, x.write); folded == nil {
			folded = os.Remove(l.path(journalFile))
		}
	})
	return cmp.Or(err, folded)
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
