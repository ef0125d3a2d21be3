package ocilayout

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"os"
	"slices"

	"github.com/gofrs/flock"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/modferry/modferry/registry"
)

// putTag points tag at d, and returns when that is durable. A tag to create must not name another manifest.
func (l *layout) putTag(ctx context.Context, repo, tag string, d ocispec.Descriptor, m links, create bool) error {
	return l.changeTag(ctx, &tagging{repo: repo, tag: tag, pushed: d, links: m, change: func(now ocispec.Descriptor) (ocispec.Descriptor, error) {
		if create && now.Digest != "" && now.Digest != d.Digest {
			return d, registry.ErrTagExists
		}
		return d, nil
	}})
}

// listReferrer sees that a manifest that was pushed is in the list of its subject's referrers.
func (l *layout) listReferrer(ctx context.Context, repo string, d ocispec.Descriptor, raw []byte, m links) error {
	subject, referrer := registry.Referrer(d, raw)
	change := func(now ocispec.Descriptor) (ocispec.Descriptor, error) {
		var index []byte
		var err error
		if now.Digest != "" && now.Digest != subject.Digest { // no list: "cosign copy" puts the subject there
			if index, err = l.readManifest(ctx, now); err != nil {
				return now, err
			}
		}
		list, added, err := registry.AddReferrer(index, referrer)
		if err != nil || !added {
			return now, err
		}
		if _, err := l.putManifest(ctx, list.Descriptor, list.Raw, true); err != nil {
			return now, err
		}
		return list.Descriptor, l.sync(l.path(blobsDir))
	}
	return l.changeTag(ctx, &tagging{repo: repo, tag: registry.ReferrersTag(subject.Digest), pushed: d, links: m, change: change})
}

// appendJournal writes lines at end, where a torn one may be. Nothing is taken back after an error: readers may have
// seen them, and all they name is there.
func (l *layout) appendJournal(end int64, lines string) error {
	f, err := os.OpenFile(l.path(journalFile), os.O_WRONLY|os.O_CREATE, 0o666)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Truncate(end); err != nil {
		return err
	}
	if _, err := f.WriteAt([]byte(lines), end); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if end == 0 {
		return l.sync(l.path(ownDir))
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
	faults, err := l.syncBlobs(l.commits.unsynced())
	err = errors.Join(append(slices.Collect(maps.Values(faults)), err)...)
	var unlock func()
	if err == nil {
		unlock, err = l.lock(context.Background())
	}
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
