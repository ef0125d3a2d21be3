package page

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"
)

// Names is what there is in the stores, as far as they tell.
type Names struct {
	Paths []string // of modules, sorted
	Notes []string // why some may be missing, for people
}

const (
	maxNames      = 500_000         // more are left out, which is noted
	namesAge      = 5 * time.Minute // of names, when they are read again
	namesPatience = 2 * time.Minute // for reading them
	firstPatience = 3 * time.Second // of a page for the first names
)

// names reads the names of modules in the background while somebody looks at pages.
type names struct {
	read func(context.Context) (Names, error)
	now  func() time.Time

	mu      sync.Mutex
	have    index
	asked   time.Time     // when they were last asked for, in vain or not
	reading chan struct{} // closed when done; nil: nobody is
	ctx     context.Context
	working sync.WaitGroup
}

// index is the names that were read last.
type index struct {
	Names
	folded []string  // Paths in lower case
	read   time.Time // when; zero: never
	err    error     // with which reading them failed since
}

// get returns the names at hand. It has them read again when they are old, and waits for the first ones only, not for
// long.
func (n *names) get(ctx context.Context) index {
	n.mu.Lock()
	if n.reading == nil && n.ctx.Err() == nil && n.now().Sub(n.asked).Abs() >= namesAge {
		n.reading, n.asked = make(chan struct{}), n.now()
		n.working.Go(n.update)
	}
	have, reading := n.have, n.reading
	n.mu.Unlock()
	if reading == nil || !have.read.IsZero() || have.err != nil {
		return have
	}
	ctx, cancel := context.WithTimeout(ctx, firstPatience)
	defer cancel()
	select {
	case <-reading:
	case <-ctx.Done():
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.have
}

func (n *names) update() {
	ctx, cancel := context.WithTimeout(n.ctx, namesPatience)
	defer cancel()
	found, err := n.read(ctx)
	if len(found.Paths) > maxNames {
		found.Paths = found.Paths[:maxNames]
		found.Notes = append(found.Notes, "There are more modules than are listed here.")
	}
	folded := make([]string, len(found.Paths))
	for i, path := range found.Paths {
		folded[i] = strings.ToLower(path)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if err == nil {
		n.have = index{Names: found, folded: folded, read: n.now()}
	}
	n.have.err = err
	close(n.reading)
	n.reading = nil
}

// search returns those of the names that a query is part of, in upper or lower case, and that may be shown: first those
// that begin with it, then those with an element that does, then the others. An empty query finds all.
func (x *index) search(query string, may func(path string) bool) []string {
	query = strings.ToLower(query)
	var ranks [3][]string
	for i, path := range x.folded {
		at := strings.Index(path, query)
		if at < 0 || !may(x.Paths[i]) {
			continue
		}
		rank := 2
		switch {
		case at == 0:
			rank = 0
		case strings.Contains(path, "/"+query):
			rank = 1
		}
		ranks[rank] = append(ranks[rank], x.Paths[i])
	}
	return slices.Concat(ranks[0], ranks[1], ranks[2])
}
