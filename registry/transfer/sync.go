package transfer

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/mod/module"
	"golang.org/x/sync/errgroup"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/artifact/sumdb"
	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/inventory"
)

// A Sync copies what the source of a Copier holds and its destination lacks.
type Sync struct {
	Copier *Copier
	Jobs   int // items at a time; 0 = as many as [Copier.CopyAll] takes

	// Match selects module versions, and what belongs to them; nil = all. Snapshots and indexes always go along.
	Match func(module.Version) bool

	// Compare looks at what is under every tag that both have, with four requests for each: for signatures that the source
	// has more of. Without, what both have is taken to be the same if the tags of its signatures say so.
	Compare bool

	// Report is told what became of each item that was looked at, one call at a time.
	Report func(Event)
}

// A Summary counts what a Sync found.
type Summary struct {
	Same int // items that both have, as their tags say; Report is told nothing of them
}

// batch is how many repositories are listed before what they lack is copied.
const batch = 64

// Run copies what is missing. If there is nothing to copy it takes two requests for each module, whatever the number of
// its versions. Broken says which repositories of the source could not be listed. The error says why the rest was not
// tried: that of ctx among others.
func (s *Sync) Run(ctx context.Context) (sum Summary, broken []error, err error) {
	lister := inventory.Lister{Store: s.Copier.Source, Logs: []*sumdb.Log{s.Copier.Checker.Log}}
	names, broken, err := lister.Names(ctx)
	if err != nil {
		return sum, broken, err
	}
	// Snapshots confirm versions, and indexes name what is there.
	first, rest := split(names, func(name string) bool { return strings.HasPrefix(name, sumdb.RepositoryPrefix) })
	last, modules := split(rest, func(name string) bool { return name == artifact.IndexRepository })
	r := s.Copier.newRun(s.Jobs, s.Report)
	for _, group := range [][]string{first, modules, last} {
		for names := range slices.Chunk(group, batch) {
			items, same, faults := s.look(ctx, names, cmp.Or(s.Jobs, registryJobs))
			sum.Same += same
			broken = append(broken, faults...)
			if err := errors.Join(context.Cause(ctx), r.all(ctx, items)); err != nil {
				return sum, broken, err
			}
		}
	}
	return sum, broken, nil
}

func split(names []string, is func(string) bool) (yes, no []string) {
	for _, name := range names {
		if is(name) {
			yes = append(yes, name)
		} else {
			no = append(no, name)
		}
	}
	return yes, no
}

// look returns what of repositories is to be copied or compared.
func (s *Sync) look(ctx context.Context, names []string, jobs int) (items []Item, same int, broken []error) {
	var g errgroup.Group
	var mu sync.Mutex
	g.SetLimit(jobs)
	for _, name := range names {
		g.Go(func() error {
			found, n, err := s.lacking(ctx, name)
			mu.Lock()
			defer mu.Unlock()
			items, same = append(items, found...), same+n
			if err != nil {
				broken = append(broken, err)
			}
			return nil
		})
	}
	_ = g.Wait()
	slices.SortFunc(items, Compare)
	return items, same, broken
}

// lacking returns what of one repository is to be copied or compared, and how much of it is the same.
func (s *Sync) lacking(ctx context.Context, repo string) (items []Item, same int, err error) {
	source, err := list(ctx, s.Copier.Source, repo)
	if err != nil {
		return nil, 0, err
	}
	destination, err := list(ctx, s.Copier.Destination, repo)
	if err != nil {
		return nil, 0, err
	}
	var both []Item
	for _, it := range s.selected(ctx, repo, source) {
		if destination[it.Tag] {
			both = append(both, it)
		} else {
			items = append(items, it)
		}
	}
	if s.Compare || len(both) == 0 {
		return append(items, both...), 0, nil
	}
	differ, err := s.differing(ctx, both, source, destination)
	return append(items, differ...), len(both) - len(differ), err
}

// list returns the tags of a repository; none if it is not there.
func list(ctx context.Context, s *registry.Store, repo string) (map[string]bool, error) {
	tags := make(map[string]bool)
	for tag, err := range s.Tags(ctx, repo) {
		if registry.IsAbsent(err) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		tags[tag] = true
	}
	return tags, nil
}

// selected returns the items among the tags of a repository that are to be at the destination.
func (s *Sync) selected(ctx context.Context, repo string, tags map[string]bool) (items []Item) {
	path, _ := artifact.ModulePath(repo)
	for tag := range tags {
		it := Item{Repository: repo, Tag: tag}
		kind := it.Kind()
		if kind == None {
			continue
		}
		if s.Match != nil && kind != Snapshot && kind != Index {
			var err error
			m := module.Version{Path: path, Version: it.Version()}
			if path == "" || kind == Revision {
				m, err = s.about(ctx, it)
			}
			if err == nil && !s.Match(m) { // else copying it says what is wrong with it
				continue
			}
		}
		items = append(items, it)
	}
	return items
}

// about returns the module version that an item is about, or means, as its manifest tells: neither the names of long
// paths' repositories nor the tags of revisions do.
func (s *Sync) about(ctx context.Context, it Item) (about module.Version, err error) {
	_, raw, err := s.Copier.Source.Manifest(ctx, it.Repository, it.Tag)
	if err != nil {
		return about, err
	}
	var m ocispec.Manifest
	if err := json.Unmarshal(raw, &m); err != nil {
		return about, fmt.Errorf("%s: %w: %w", s.Copier.Source.Reference(it.Repository, it.Tag), artifact.ErrNotModule, err)
	}
	return module.Version{Path: m.Annotations[artifact.AnnotationModule], Version: m.Annotations[artifact.AnnotationVersion]}, nil
}

// differing returns those items of both stores that may not be the same. Signatures have their tag by the digest of what
// is signed: where all those of the source are at the destination, so is what they sign. Otherwise the source is asked
// for the digest of each item. What moves is always compared. So is what has bundles, where the source tags the lists of
// these and the destination does not: it may lack them, or keep such lists elsewhere.
func (s *Sync) differing(ctx context.Context, both []Item, source, destination map[string]bool) (differ []Item, err error) {
	unsigned, unknown := 0, false // items without classic signatures; signatures whose tag the destination does not have
	for tag := range source {
		switch {
		case strings.HasSuffix(tag, ".sig"):
			unsigned--
			unknown = unknown || !destination[tag]
		case strings.HasPrefix(tag, "sha256-"): // the list of referrers of something
			unknown = unknown || !destination[tag]
		case (Item{Repository: both[0].Repository, Tag: tag}).Kind() != None:
			unsigned++
		}
	}
	for _, it := range both {
		same := false
		switch kind := it.Kind(); {
		case kind == Index, it.Tag == sumdb.LatestTag:
		case unsigned <= 0 && !unknown, kind == Snapshot:
			same = true
		default:
			d, err := s.Copier.Source.Resolve(ctx, it.Repository, it.Tag)
			if err != nil {
				return nil, err
			}
			tag, list := sign.Tag(d.Digest), registry.ReferrersTag(d.Digest)
			same = source[tag] && destination[tag] && (!source[list] || destination[list])
		}
		if !same {
			differ = append(differ, it)
		}
	}
	return differ, nil
}
