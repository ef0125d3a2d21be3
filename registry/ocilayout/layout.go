package ocilayout

import (
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"syscall"

	"github.com/opencontainers/go-digest"
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

// errDamaged means that a file of a layout is missing, cut short or malformed.
var errDamaged = fmt.Errorf("the layout is damaged: %w", artifact.ErrCorrupt)

// layout is a [registry.Backend] in a directory.
type layout struct {
	name    string // the directory as the user wrote it
	dir     string
	view    view
	commits commits
	sync    func(name string) error // syncFile

	mu       sync.Mutex
	prepared bool // to be pushed to
}

// Open returns the store in directory dir, which need not exist: nothing is
// read before the first use, nothing created before the first push.
func Open(dir string) (*registry.Store, error) {
	l, err := newLayout(dir)
	if err != nil {
		return nil, err
	}
	return registry.New(l), nil
}

func newLayout(dir string) (*layout, error) {
	if dir == "" {
		return nil, errors.New("oci: store without a directory: write oci:DIR")
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("oci:%s: %w", dir, err)
	}
	l := &layout{name: dir, dir: abs, commits: newCommits(), sync: syncFile}
	l.view = view{dir: abs, identify: func(x *index) { x.identify(l) }}
	return l, nil
}

// SignedName returns repo: the directory of a layout is nobody's business.
func (l *layout) SignedName(repo string) string { return repo }

// Reference is written the way skopeo takes it.
func (l *layout) Reference(repo, ref string) string {
	name := "oci:" + l.name
	if repo != "" {
		name += ":" + repo
	}
	switch {
	case ref == "":
		return name
	case digest.Digest(ref).Validate() == nil:
		return name + "@" + ref
	default:
		return name + ":" + ref
	}
}

// fail says what was being done when err came, which may be nil. A disk that is full or read-only takes nothing more,
// whatever comes next.
func (l *layout) fail(op, repo, ref string, err error) error {
	if err == nil {
		return nil
	}
	e := &registry.Error{Op: op, Registry: "oci:" + l.name, Repository: repo, Reference: ref, Err: err}
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		e.Err, e.Hint = fmt.Errorf("%w: %w", registry.ErrReadOnly, err), "make room and run this again: what is there is skipped"
	case errors.Is(err, syscall.EROFS):
		e.Err = fmt.Errorf("%w: %w", registry.ErrReadOnly, err)
	}
	return e
}

func (l *layout) path(name string) string { return filepath.Join(l.dir, name) }

func (l *layout) blobPath(d digest.Digest) string {
	return filepath.Join(l.dir, ocispec.ImageBlobsDir, d.Algorithm().String(), d.Encoded())
}
