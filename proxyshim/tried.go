package proxyshim

import (
	"cmp"
	"iter"
	"regexp"
	"strings"
	"sync"
	"time"
)

// burst is how close together the answers are to what the go command asks in parallel.
const burst = 2 * time.Second

// asksWhat reports whether the go command wants to know what there is, rather than to
// have what it knows of. The .info of a version it asks for in both cases.
func asksWhat(k kind) bool {
	switch k {
	case kindList, kindLatest, kindRevision, kindInfo:
		return true
	}
	return false
}

// tried finds out what was merely tried on the way to a path below, by the rule of
// [Handler.Wishes].
type tried struct {
	below *lru[askedBelow, answers]
	there *lru[askedBelow, time.Time] // when what was asked of the path itself was found

	mu      sync.Mutex
	pending []occasion // in the order of time, not judged yet
}

// occasion is one time that a miss was asked for.
type occasion struct {
	key   missKey
	named bool
	at    time.Time
}

// askedBelow says that something was asked of a module below a path, or of the path itself.
type askedBelow struct {
	path string
	what string // version or revision; "latest" for a list, too
}

// answers are when there was one last, of each kind.
type answers struct {
	any, found time.Time
	rooted     time.Time // not found, and the path is the root of the repository
}

func what(key missKey) string {
	if key.query == "list" {
		return "latest"
	}
	return cmp.Or(key.module.Version, key.query)
}

// note records for the paths above a module that q was answered.
func (t *tried) note(q request, missed bool, now time.Time) {
	asked, root := what(keyOf(q)), ""
	if missed {
		root = Repository(q.module.Path)
	}
	for path := range above(q.module.Path) {
		t.below.update(askedBelow{path, asked}, func(a *answers) {
			a.any = now
			switch {
			case !missed:
				a.found = now
			case path == root:
				a.rooted = now
			}
		})
	}
}

// above yields the element-wise proper prefixes of a path.
func above(path string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for i := strings.LastIndexByte(path, '/'); i > 0; i = strings.LastIndexByte(path[:i], '/') {
			if !yield(path[:i]) {
				return
			}
		}
	}
}

// hold keeps an occasion until it can be judged. Of too many it returns the earliest
// instead: better a wish too much than one too few.
func (t *tried) hold(o occasion) (early occasion, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if ok = len(t.pending) >= maxMisses; ok {
		early, t.pending = t.pending[0], t.pending[1:]
	}
	t.pending = append(t.pending, o)
	return early, ok
}

// settle forgets the occasions before a time, and returns those that were wishes, and those that may have been.
func (t *tried) settle(before time.Time) (wishes []occasion, doubts []doubt) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := 0
	for ; n < len(t.pending) && t.pending[n].at.Before(before); n++ {
		o := t.pending[n]
		if t.merely(o) {
			continue
		}
		if above := t.foundAbove(o); len(above) > 0 {
			doubts = append(doubts, doubt{o, above})
		} else {
			wishes = append(wishes, o)
		}
	}
	t.pending = t.pending[n:]
	return wishes, doubts
}

// foundAbove returns the paths above of which the same was asked then, and found.
func (t *tried) foundAbove(o occasion) (paths []string) {
	for path := range above(o.key.module.Path) {
		if at, ok := t.there.get(askedBelow{path, what(o.key)}); ok && at.Sub(o.at).Abs() <= burst {
			paths = append(paths, path)
		}
	}
	return paths
}

// merely reports whether nobody wished for what was asked for then.
func (t *tried) merely(o occasion) bool {
	a, _ := t.below.get(askedBelow{o.key.module.Path, what(o.key)})
	then := func(answer time.Time) bool { return !answer.IsZero() && answer.Sub(o.at).Abs() <= burst }
	return then(a.any) && (then(a.found) || !then(a.rooted))
}

// fixedLayout has the hosts at which every path of so many elements is a repository,
// as "go help importpath" has them. A module below it is rare.
var fixedLayout = regexp.MustCompile(`^(github\.com/[^/]+/[^/]+|bitbucket\.org/[^/]+/[^/]+|golang\.org/x/[^/]+)(/v[2-9][0-9]*|/v1[0-9]+)?(/|$)`)

// Repository returns the path of the module at the root of a package's repository,
// in the package's major version, or "" for a host that may have repositories anywhere.
func Repository(pkg string) string {
	match := fixedLayout.FindStringSubmatch(pkg)
	if match == nil {
		return ""
	}
	return match[1] + match[2]
}
