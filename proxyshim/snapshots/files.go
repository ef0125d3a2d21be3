// Package snapshots keeps the checksum database of a shim in its cache directory: the newest snapshot, the highest tree
// head that was ever accepted, and tiles.
package snapshots

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/gofrs/flock"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/artifact/sumdb"
	"github.com/modferry/modferry/proxyshim/cache"
	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/verify"
)

// Files keeps the checksum database below the cache directory:
//
//	.sumdb/<log>+<key hash>/head        highest head ever accepted, as signed; never rolled back
//	.sumdb/<log>+<key hash>/lock        held while head is compared and replaced
//	.sumdb/<log>+<key hash>/snapshot    where the newest snapshot came from, and who vouched for it
//	.sumdb/<log>+<key hash>/blobs/<hex> its manifest and blobs
//	sumdb/<log>/tile/8/0/…              full level-0 tiles that came with module versions
//
// The last is where a GOPROXY tree has them. Nothing read from here is believed without the log's signature.
type Files struct {
	cache *cache.Cache
	log   *sumdb.Log
	Dir   string // of its state
}

// Found is the outcome of looking for snapshots. It never changes.
type Found struct {
	*verify.Newest
	Verifier string    // fingerprint of what accepted the snapshot's signature
	Checked  time.Time // when the stores were last asked
	Vain     bool      // which was for something newer, and there was nothing
}

// StateDir has the state of checksum databases, below the cache directory.
const StateDir = ".sumdb"

// lockRetry is how often a lock that another process holds is tried.
const lockRetry = 10 * time.Millisecond

// Open returns the files of log in a cache.
func Open(c *cache.Cache, log *sumdb.Log) *Files {
	name, rest, _ := strings.Cut(log.Key(), "+")
	hash, _, _ := strings.Cut(rest, "+")
	return &Files{cache: c, log: log, Dir: c.Path(StateDir + "/" + name + "+" + hash)}
}

// HeadFile is where the highest head is.
func (f *Files) HeadFile() string { return filepath.Join(f.Dir, "head") }

func (f *Files) blobFile(d digest.Digest) string {
	return filepath.Join(f.Dir, "blobs", d.Encoded())
}

// HasHead reports whether a head is remembered.
func (f *Files) HasHead() bool {
	_, err := os.Stat(f.HeadFile())
	return !errors.Is(err, fs.ErrNotExist)
}

// remembered returns the highest head ever accepted; ok is false if there is none.
func (f *Files) remembered() (h sumdb.Head, ok bool, err error) {
	data, err := os.ReadFile(f.HeadFile())
	if errors.Is(err, fs.ErrNotExist) {
		return sumdb.Head{}, false, nil
	}
	if err == nil {
		h, err = f.log.OpenHead(data)
	}
	if err != nil {
		return sumdb.Head{}, false, fmt.Errorf("the remembered tree head is damaged: %s (remove it only if you know why): %w", f.HeadFile(), err)
	}
	return h, true, nil
}

// compare checks that s goes on from the remembered head; newer is set if it has more records.
func (f *Files) compare(s *sumdb.Snapshot) (newer bool, err error) {
	seen, ok, err := f.remembered()
	if err != nil || !ok {
		return err == nil, err
	}
	history := &sumdb.HistoryError{Log: f.log.Name(), Old: seen, New: s.Head(), Err: sumdb.ErrShrunk}
	switch s.Compare(seen) {
	case sumdb.Older:
		return true, nil
	case sumdb.Equal:
		return false, nil
	case sumdb.Newer:
		return false, history
	case sumdb.Forked:
		history.Err = sumdb.ErrForked
		return false, history
	default:
		return false, fmt.Errorf("%s: snapshot of %d records: %w: %d records; mirror anything public once more, into the same stores",
			f.log.Name(), s.Head().N, sumdb.ErrUnproven, seen.N)
	}
}

// Remember makes the head of s the highest one, for this and all other processes with this cache directory. Its errors
// match sumdb.ErrShrunk, sumdb.ErrForked or sumdb.ErrUnproven if s does not go on from that.
func (f *Files) Remember(ctx context.Context, s *sumdb.Snapshot) error {
	if err := os.MkdirAll(f.Dir, 0o777); err != nil {
		return err
	}
	lock := flock.New(filepath.Join(f.Dir, "lock"))
	defer lock.Close()
	if _, err := lock.TryLockContext(ctx, lockRetry); err != nil {
		return fmt.Errorf("locking %s: %w", lock.Path(), err)
	}
	newer, err := f.compare(s)
	if err != nil || !newer {
		return err
	}
	return f.cache.WriteFile(f.HeadFile(), s.Head().Note, true)
}

// snapshotFormat is raised when the file "snapshot" written earlier must not be believed.
const snapshotFormat = 1

// saved is the file "snapshot".
type savedSnapshot struct {
	Format   int           `json:"format"`
	Store    string        `json:"store"`
	Manifest digest.Digest `json:"manifest"`
	Verifier string        `json:"verifier"`
	Checked  time.Time     `json:"checked"`
}

// Save records that n, whose blobs are here already, counts, and removes the blobs of others.
func (f *Files) Save(n *Found) error {
	saved := savedSnapshot{snapshotFormat, n.Store, n.Manifest, n.Verifier, n.Checked}
	if len(n.Faults) > 0 {
		saved.Checked = time.Time{} // ask again after a restart
	}
	if err := f.cache.WriteJSON(filepath.Join(f.Dir, "snapshot"), saved); err != nil {
		return err
	}
	return f.sweep(n.Manifest)
}

// Load returns what save has saved, or nil if that cannot be used: the blobs are not all there and good, the store is
// not among these, or another verifier accepted it.
func (f *Files) Load(ctx context.Context, verifier string, stores []*registry.Store) *Found {
	var saved savedSnapshot
	if _, err := cache.ReadJSON(filepath.Join(f.Dir, "snapshot"), &saved); err != nil {
		return nil
	}
	from := slices.IndexFunc(stores, func(s *registry.Store) bool { return s.String() == saved.Store })
	if saved.Format != snapshotFormat || saved.Verifier != verifier || from < 0 || saved.Manifest.Validate() != nil {
		return nil
	}
	raw, err := f.blob(saved.Manifest, artifact.MaxManifest)
	if err != nil {
		return nil
	}
	loaded := false
	s, err := sumdb.Open(ctx, f.log, raw, func(ctx context.Context, d ocispec.Descriptor) ([]byte, error) {
		data, err := f.blob(d.Digest, d.Size)
		if err != nil && loaded {
			return f.fetch(ctx, verify.Candidate{Store: stores[from]}, d)
		}
		return data, err
	}, f.part)
	if err != nil {
		return nil
	}
	loaded = true
	if _, err := f.compare(s); err != nil {
		return nil
	}
	return &Found{
		Newest:   &verify.Newest{Snapshot: s, Manifest: saved.Manifest, Store: saved.Store, Seen: true},
		Verifier: verifier, Checked: saved.Checked,
	}
}

// Read reads and checks a snapshot, by way of the blobs that are here.
func (f *Files) Read(ctx context.Context, c verify.Candidate) (*sumdb.Snapshot, error) {
	s, err := sumdb.Open(ctx, f.log, c.Raw, func(ctx context.Context, d ocispec.Descriptor) ([]byte, error) {
		if data, err := f.blob(d.Digest, d.Size); err == nil {
			return data, nil
		}
		return f.fetch(ctx, c, d)
	}, f.part)
	if err != nil {
		return nil, err
	}
	_ = f.cache.WriteFile(f.blobFile(c.Descriptor.Digest), c.Raw, false)
	return s, nil
}

// fetch gets a blob from a store, and keeps it. What cannot be kept is fetched when it is needed again.
func (f *Files) fetch(ctx context.Context, c verify.Candidate, d ocispec.Descriptor) ([]byte, error) {
	data, err := c.Blob(ctx, f.log, d)
	if err == nil {
		_ = f.cache.WriteFile(f.blobFile(d.Digest), data, false)
	}
	return data, err
}

// part reads a part of a blob that is here.
func (f *Files) part(d ocispec.Descriptor, p []byte, off int64) error {
	file, err := os.Open(f.blobFile(d.Digest))
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = file.ReadAt(p, off)
	return err
}

// blob returns a blob that is here and has at most limit bytes.
func (f *Files) blob(d digest.Digest, limit int64) ([]byte, error) {
	name := f.blobFile(d)
	fi, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if fi.Size() > limit {
		return nil, cache.ErrUnverified
	}
	data, err := os.ReadFile(name)
	if err == nil && digest.FromBytes(data) != d {
		err = cache.ErrUnverified
	}
	return data, err
}

// sweep removes all blobs but those of the snapshot with that manifest.
func (f *Files) sweep(manifest digest.Digest) error {
	files, err := os.ReadDir(filepath.Join(f.Dir, "blobs"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	raw, err := f.blob(manifest, artifact.MaxManifest)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var m ocispec.Manifest
	if err := json.Unmarshal(raw, &m); err != nil {
		return err
	}
	keep := map[string]bool{manifest.Encoded(): true, m.Config.Digest.Encoded(): true}
	for _, d := range m.Layers {
		keep[d.Digest.Encoded()] = true
	}
	for _, file := range files {
		if !keep[file.Name()] {
			if err := f.cache.Remove(filepath.Join(f.Dir, "blobs", file.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}
