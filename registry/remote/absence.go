package remote

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"
	orasremote "oras.land/oras-go/v2/registry/remote"

	"github.com/modferry/modferry/registry"
)

// absence finds out whether a store can know that something does not exist.
//
// A pull-through cache (distribution with proxy.remoteurl) answers 404 by tag whatever it is that its upstream fails
// with, and lists the tags it has when it cannot ask for the others. It tells the truth of blobs: one that cannot exist
// is 404 as long as the upstream answers, as in any other registry, and 500 when it does not. (That of a manifest is
// no help: distribution 2.8 answers 500 for what is not there, too.)
type absence struct {
	mu       sync.Mutex
	underWay chan struct{} // closed when the question that is being asked has been answered; nil = none is
	asked    time.Time     // when the last answered question began
	err      error         // what came of it; nil = what is said to be absent is
	doubt    bool          // it once could not know
	takes    bool          // it has taken content, as no cache does
}

// listingAge is how old an answer may be that confirms a listing of what was never seen to be a cache. What is listed while
// the upstream of one fails is a part; that it is a cache shows only then.
const listingAge = 5 * time.Second

// takesContent records that it is no cache.
func (a *absence) takesContent() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.takes = true
}

// confirm asks, unless the answer to a question that began after this call is there meanwhile: all answers of a burst
// are confirmed by one or two questions. Of what was never seen to be a cache, a good answer up to maxAge old counts, too.
func (a *absence) confirm(ctx context.Context, maxAge time.Duration, ask func() error) error {
	since := time.Now()
	for {
		a.mu.Lock()
		if a.takes {
			a.mu.Unlock()
			return nil
		}
		if a.asked.After(since) || !a.doubt && a.asked.After(since.Add(-maxAge)) {
			defer a.mu.Unlock()
			return a.err
		}
		underWay := a.underWay
		if underWay == nil {
			a.underWay = make(chan struct{})
			a.mu.Unlock()
			return a.ask(ctx, ask)
		}
		a.mu.Unlock()
		select {
		case <-underWay: // it may have begun too early
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// ask asks, and tells who waits for that.
func (a *absence) ask(ctx context.Context, ask func() error) error {
	began := time.Now()
	err := ask()
	a.mu.Lock()
	defer a.mu.Unlock()
	if ctx.Err() == nil { // which says nothing to others
		a.asked, a.err, a.doubt = began, err, a.doubt || err != nil
	}
	close(a.underWay)
	a.underWay = nil
	return err
}

// confirmAbsence is an error, ErrUnavailable, if the store cannot know what it has just said: that something in a
// repository does not exist, or which tags do. A good answer up to maxAge old may tell.
func (r *remote) confirmAbsence(ctx context.Context, op, repo, ref string, maxAge time.Duration) error {
	err := r.absence.confirm(ctx, maxAge, func() error { return r.askForNothing(ctx, repo) })
	var e *registry.Error
	if !errors.Is(err, registry.ErrUnavailable) || !errors.As(err, &e) {
		return err
	}
	doubtful := *e
	doubtful.Op, doubtful.Repository, doubtful.Reference = op, r.name(repo), ref
	doubtful.Err = fmt.Errorf("%w: it cannot tell what does not exist from what it cannot get", registry.ErrUnavailable)
	doubtful.Hint = "it seems to be a pull-through cache whose upstream does not answer"
	return &doubtful
}

// askForNothing asks for a blob that cannot exist. Only an outage is an error.
func (r *remote) askForNothing(ctx context.Context, repo string) error {
	var random [32]byte
	_, _ = rand.Read(random[:]) // never fails
	ref := digest.NewDigestFromBytes(digest.SHA256, random[:]).String()
	err := r.do(ctx, "reading blob", repo, ref, func(o *orasremote.Repository) error {
		resp, err := r.get(ctx, o, "blobs", ref, "*/*")
		if err == nil {
			resp.Body.Close()
		}
		return err
	})
	if errors.Is(err, registry.ErrUnavailable) || ctx.Err() != nil {
		return err
	}
	return nil
}
