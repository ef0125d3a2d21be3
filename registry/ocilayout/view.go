package ocilayout

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/registry"
)

// maxIndex bounds what is read of index.json, and of the journal: about a million tags.
const maxIndex = 512 << 20

// view is what a layout's index.json and journal say, brought up to date at each use.
type view struct {
	dir      string
	identify func(*index) // what other tools wrote

	mu      sync.Mutex
	index   *index      // nil: nothing read yet
	file    fs.FileInfo // of the index.json that was read
	journal *os.File    // read up to end; nil: there was none
	end     int64       // after a newline
}

// read calls fn with the present index, which fn must not keep. While it runs, the other fields go with the index.
func (v *view) read(fn func(*index)) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if err := v.refresh(); err != nil {
		return err
	}
	fn(v.index)
	return nil
}

func (v *view) close() {
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

// refresh costs three stats when nothing has changed. The journal is opened before the index is read, and read once
// both are known to be those of one moment: should it be folded then, removing the file does not empty it.
func (v *view) refresh() error {
	for !v.current() {
		v.forget()
		if err := v.load(); err != nil {
			v.forget()
			return err
		}
	}
	return v.readJournal()
}

// current reports whether index.json and the journal are the files that were opened.
func (v *view) current() bool {
	if v.index == nil {
		return false
	}
	index, err := os.Stat(filepath.Join(v.dir, ocispec.ImageIndexFile))
	if err != nil || !sameVersion(index, v.file) {
		return false
	}
	journal, err := os.Stat(filepath.Join(v.dir, journalFile))
	if err != nil || v.journal == nil {
		return errors.Is(err, fs.ErrNotExist) && v.journal == nil
	}
	opened, err := v.journal.Stat()
	return err == nil && os.SameFile(journal, opened)
}

// sameVersion notices a file that was replaced, and one that another tool rewrote in place.
func sameVersion(a, b fs.FileInfo) bool {
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}

// load opens the journal and reads the index.
func (v *view) load() error {
	switch is, err := isLayout(v.dir); {
	case err != nil:
		return err
	case !is:
		return fmt.Errorf("%w: is the path right? Publishing creates it", registry.ErrNoLayout)
	}
	journal, err := os.Open(filepath.Join(v.dir, journalFile))
	if err == nil {
		v.journal = journal
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
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
	text, err := readAll(f, v.file.Size())
	if err != nil {
		return fmt.Errorf("index.json: %w", err)
	}
	if v.index, err = parseIndex(text); err != nil {
		return fmt.Errorf("%w: index.json: %w", errDamaged, err)
	}
	v.identify(v.index)
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
	text, err := readAll(io.NewSectionReader(v.journal, v.end, math.MaxInt64-v.end), info.Size()-v.end)
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	lines := text[:strings.LastIndexByte(text, '\n')+1]
	v.index.apply(lines)
	v.end += int64(len(lines))
	return nil
}

// readAll reads a file of some size, which is a hint.
func readAll(r io.Reader, size int64) (string, error) {
	size = min(size, maxIndex)
	var text strings.Builder
	text.Grow(int(size))
	n, err := io.CopyBuffer(&text, io.LimitReader(r, maxIndex+1), make([]byte, min(size, 32<<10)+1))
	if n > maxIndex {
		err = fmt.Errorf("more than %d bytes: %w", maxIndex, artifact.ErrLimit)
	}
	return text.String(), err
}
