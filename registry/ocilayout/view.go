package ocilayout

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/registry"
)

// Below a layout's directory.
const (
	ownDir      = ".modferry"
	journalFile = ownDir + "/journal"
	lockFile    = ownDir + "/lock"
	tmpDir      = ownDir + "/tmp"
	blobsDir    = ocispec.ImageBlobsDir + "/sha256"
)

// maxIndex bounds what is read of index.json, and of the journal: about a million tags.
const maxIndex = 512 << 20

// layoutView is what a layout's index and journal say, brought up to date at each use.
type view struct {
	dir string

	mu      sync.Mutex
	index   *index      // nil: nothing read yet
	file    fs.FileInfo // of the index.json that was read
	journal *os.File    // read up to end; nil: there was none
	end     int64       // after a newline
}

// read calls fn with the present index, which fn must not keep.
func (v *view) read(fn func(*index)) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if err := v.refresh(); err != nil {
		return err
	}
	fn(v.index)
	return nil
}

// sizes returns where the journal's whole lines end, and the size of index.json.
func (v *view) sizes() (journal, index int64, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if err := v.refresh(); err != nil {
		return 0, 0, err
	}
	return v.end, v.file.Size(), nil
}

func (v *view) Close() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.forget()
}

func (v *view) forget() {
	if v.journal != nil {
		v.journal.Close()
	}
	v.index, v.file, v.journal, v.end = nil, nil, nil, 0
}

// refresh costs two stats when nothing has changed.
func (v *view) refresh() error {
	if v.index != nil {
		info, err := os.Stat(filepath.Join(v.dir, ocispec.ImageIndexFile))
		if err == nil && sameVersion(info, v.file) {
			same, err := v.sameJournal(v.journal)
			if err != nil {
				return err
			}
			if same {
				return v.readJournal()
			}
		}
	}
	v.forget()
	for {
		same, err := v.load()
		if err != nil {
			v.forget()
			return err
		}
		if same {
			return nil
		}
		v.forget()
	}
}

// load reads journal and index. It reports false if the journal was folded
// meanwhile, so that the two may not fit together.
func (v *view) load() (bool, error) {
	if err := requireLayout(v.dir); err != nil {
		return false, err
	}
	journal, err := os.Open(filepath.Join(v.dir, journalFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	if err == nil {
		v.journal = journal
	}
	// The journal must have been opened before the index is read. Its lines may
	// be read afterwards: removing the file does not empty it.
	if err := v.loadIndex(); err != nil {
		return false, err
	}
	if err := v.readJournal(); err != nil {
		return false, err
	}
	return v.sameJournal(v.journal)
}

func (v *view) loadIndex() error {
	f, err := os.Open(filepath.Join(v.dir, ocispec.ImageIndexFile))
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: index.json is missing", errDamaged)
	}
	if err != nil {
		return err
	}
	defer f.Close()
	if v.file, err = f.Stat(); err != nil {
		return err
	}
	data, err := readSized(f, v.file.Size(), maxIndex)
	if err != nil {
		return fmt.Errorf("index.json: %w", err)
	}
	if v.index, err = parseIndex(data); err != nil {
		return fmt.Errorf("%w: index.json: %w", errDamaged, err)
	}
	return nil
}

// readJournal applies the lines that were appended since. The rest after the last newline is
// a line being written, or one that a killed writer left.
func (v *view) readJournal() error {
	if v.journal == nil {
		return nil
	}
	info, err := v.journal.Stat()
	if err != nil || info.Size() <= v.end {
		return err
	}
	size := info.Size() - v.end
	data, err := readSized(io.NewSectionReader(v.journal, v.end, size), size, maxIndex)
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	lines := data[:bytes.LastIndexByte(data, '\n')+1]
	v.index.apply(lines)
	v.end += int64(len(lines))
	return nil
}

// sameJournal reports whether journal, nil for none, is the file of that name.
func (v *view) sameJournal(journal *os.File) (bool, error) {
	now, err := os.Stat(filepath.Join(v.dir, journalFile))
	if errors.Is(err, fs.ErrNotExist) {
		return journal == nil, nil
	}
	if err != nil || journal == nil {
		return false, err
	}
	held, err := journal.Stat()
	if err != nil {
		return false, err
	}
	return os.SameFile(now, held), nil
}

// sameVersion notices a file that was replaced, and one that another tool rewrote in place.
func sameVersion(a, b fs.FileInfo) bool {
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}

// readSized reads size bytes, or fewer if a file was cut meanwhile.
func readSized(r io.Reader, size, limit int64) ([]byte, error) {
	if size > limit {
		return nil, fmt.Errorf("%d bytes, more than %d: %w", size, limit, artifact.ErrLimit)
	}
	data := make([]byte, size)
	n, err := io.ReadFull(r, data)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = nil
	}
	return data[:n], err
}

// requireLayout returns nil if dir is a layout.
func requireLayout(dir string) error {
	is, err := isLayout(dir)
	if err == nil && !is {
		err = fmt.Errorf("%w: is the path right? Publishing creates it", registry.ErrNoLayout)
	}
	return err
}

// isLayout reports whether dir is an OCI image layout of the version known here.
// False without an error means that dir can become one: it is missing, empty, or
// its creation was interrupted.
func isLayout(dir string) (bool, error) {
	f, err := os.Open(filepath.Join(dir, ocispec.ImageLayoutFile))
	if errors.Is(err, fs.ErrNotExist) {
		return false, checkVacant(dir)
	}
	if err != nil {
		return false, err
	}
	defer f.Close()
	var l ocispec.ImageLayout
	if err := json.NewDecoder(io.LimitReader(f, 4<<10)).Decode(&l); err != nil {
		return false, fmt.Errorf("%w: %s: %w", errDamaged, ocispec.ImageLayoutFile, err)
	}
	if l.Version != ocispec.ImageLayoutVersion {
		return false, fmt.Errorf("OCI image layout version %q: %w", l.Version, registry.ErrUnsupported)
	}
	return true, nil
}

// checkVacant keeps a mistyped path from scattering blobs over someone's directory.
func checkVacant(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(entries) == 0 {
		return nil
	}
	if err != nil {
		return err
	}
	ours := false
	for _, e := range entries {
		switch e.Name() {
		case ownDir:
			ours = true
		case ocispec.ImageIndexFile, ocispec.ImageBlobsDir:
		default:
			return errNotLayout
		}
	}
	if !ours {
		return errNotLayout
	}
	return nil
}

var errNotLayout = errors.New("the directory has other content and is no OCI image layout (no file oci-layout): give a new or an empty directory")
