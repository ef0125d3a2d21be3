package load

import (
	"cmp"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/mod/module"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/modferry/modferry/artifact/sumdb"
)

// A Proof is the tiles that a client comes to ask for, in order to verify the records that it has looked up. It is safe for
// concurrent use.
type Proof struct {
	log string

	mu    sync.Mutex
	seen  map[string]bool
	paths []string
}

// NewProof returns one without tiles, of a log by its name.
func NewProof(log string) *Proof { return &Proof{log: log, seen: make(map[string]bool)} }

// LookupPath returns the path, below a shim's address, of the lookup of a version in a log by its name.
func LookupPath(log string, m module.Version) (string, error) {
	path, err := sumdb.LookupPath(m)
	return "sumdb/" + log + "/" + path, err
}

// Add adds the tiles that prove the record in an answer to a lookup: its own, and those above up to the head in the answer.
func (t *Proof) Add(answer string) error {
	id, rest, _ := strings.Cut(answer, "\n")
	n, err := strconv.ParseInt(id, 10, 64)
	_, head, ok := strings.Cut(rest, "\n\n")
	tree, errTree := tlog.ParseTree([]byte(head))
	if !ok || cmp.Or(err, errTree) != nil || n < 0 || n >= tree.N {
		return errLookup
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for level, below := 0, tree.N; below > 0; level++ {
		n >>= sumdb.TileHeight
		width := min(sumdb.TileWidth, int(below-n<<sumdb.TileHeight))
		path := "sumdb/" + t.log + "/" + tlog.Tile{H: sumdb.TileHeight, L: level, N: n, W: width}.Path()
		if width > 0 && !t.seen[path] {
			t.seen[path] = true
			t.paths = append(t.paths, path)
		}
		below >>= sumdb.TileHeight
	}
	return nil
}

// Paths returns the paths of the first n tiles, or of all that there are.
func (t *Proof) Paths(n int) []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.paths[:min(n, len(t.paths))])
}

// errLookup: an answer to a lookup is none.
var errLookup = errors.New("the answer to a lookup has no record and tree head")
