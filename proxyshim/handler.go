// Package proxyshim answers the go command's requests for modules, as https://go.dev/ref/mod#goproxy-protocol has them,
// out of a store of signed OCI artifacts. Nothing is served or cached before it is verified, and nothing but "the store
// does not have it" ever becomes a 404. It answers for the checksum database too, from a snapshot in the store, so that
// the go command can verify what it gets without a network.
package proxyshim

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/mod/module"
	"golang.org/x/sync/singleflight"

	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/artifact/sumdb"
	"github.com/modferry/modferry/proxyshim/access"
	"github.com/modferry/modferry/proxyshim/cache"
	"github.com/modferry/modferry/proxyshim/events"
	"github.com/modferry/modferry/proxyshim/snapshots"
	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/verify"
)

// Options configures a Handler. Stores, Verifier and CacheDir are required.
type Options struct {
	Stores   *registry.Router // where each module path is looked up
	Verifier sign.Verifier    // decides whose signatures count, and what is refused whoever signed it
	SumDB    *sumdb.Log       // the checksum database to answer for; nil = sumdb.DefaultLog
	Private  string           // patterns, as in GONOSUMDB, of modules it is not asked about
	CacheDir string           // has the layout of GOMODCACHE/cache/download; created when missing
	CacheMax int64            // bytes of cached files to keep; 0 = unlimited
	Recheck  time.Duration    // age at which the store is asked again about what is cached; 0 = at every request
	Absent   time.Duration    // how long absence is remembered; 0 = 10 s, negative = not at all
	Log      *slog.Logger     // nil = discard
	Now      func() time.Time // nil = time.Now
	Exact    bool             // nobody names versions by hand: each that is asked for is required by something, and none is merely tried
	Failed   func(Failure)    // told of each failure, which is not logged then; safe for concurrent use; nil = log them

	// Policy, if it is not nil, takes the place of Verifier: what its file says counts from the next request on.
	Policy *sign.PolicyFile

	Conditions []Condition // of readiness, beside those of the shim's own

	// Patience waits for a signature that replication may still bring; see [verify.Checker].
	Patience func(ctx context.Context, store *registry.Store, again int) bool

	// AllowUnrecorded serves modules that are not private without a record of the database, too, where a store has a
	// snapshot of it.
	AllowUnrecorded bool
}

// Handler serves modules. It is safe for concurrent use, and several handlers
// in several processes may share a cache directory.
type Handler struct {
	stores   *registry.Router
	policy   func() sign.Verifier // the one that counts now
	decision verify.Checker       // but for its Verifier
	recheck  time.Duration
	absent   time.Duration
	log      *slog.Logger
	now      func() time.Time
	failed   func(Failure) // may be nil

	conditions []Condition
	draining   atomic.Bool

	cache     *cache.Cache
	sums      *checksums
	versions  *source[*cache.Entry]
	listings  *source[*cache.Answer[listing]]
	listed    *cache.Answers[listing]
	revisions *source[*cache.Answer[module.Version]]
	absences  *lru.Cache[module.Version, absentUntil]
	wishes    *wishes
	outages   *outages
	checking  chan struct{} // zips being checked: more only take memory, for one keeps several cores busy

	// Work for clients is detached from them: it runs under ctx, one flight per key, and Close waits for it.
	flights  singleflight.Group
	fetching atomic.Int64
	ctx      context.Context
	cancel   context.CancelFunc
	mu       sync.Mutex // held while ctx ends, and while work begins
	working  sync.WaitGroup
}

// defaultAbsent is how long absence is remembered unless Options.Absent says.
const defaultAbsent = 10 * time.Second

// coresPerZip is how many cores checking one zip keeps busy.
const coresPerZip = 4

// errClosed is the answer to requests that need the store after Close.
var errClosed = errors.New("the shim is shutting down")

// New returns a Handler. It creates the cache directory and makes no request to
// a store. The caller keeps ownership of o.Stores, and closes it after the Handler.
func New(o Options) (*Handler, error) {
	if o.Stores == nil || o.Verifier == nil && o.Policy == nil || o.CacheDir == "" {
		return nil, errors.New("proxyshim: Stores, Verifier and CacheDir are required")
	}
	policy := func() sign.Verifier { return o.Verifier }
	conditions := o.Conditions
	if o.Policy != nil {
		conditions = append(slices.Clone(conditions), Condition{Name: "policy", Err: o.Policy.Fault})
		policy = func() sign.Verifier { return o.Policy.Current() }
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Absent == 0 {
		o.Absent = defaultAbsent
	}
	if o.SumDB == nil {
		var err error
		if o.SumDB, err = sumdb.ParseLog(sumdb.DefaultLog); err != nil {
			return nil, err
		}
	}
	c, err := cache.New(cache.Options{Dir: o.CacheDir, Max: o.CacheMax, Now: o.Now, Log: o.Log})
	if err != nil {
		return nil, fmt.Errorf("creating the cache directory: %w", err)
	}
	absences, err := lru.New[module.Version, absentUntil](maxMisses)
	if err != nil {
		return nil, err
	}
	wishes, err := newWishes(o.Exact)
	if err != nil {
		return nil, err
	}
	h := &Handler{
		stores: o.Stores, policy: policy, recheck: o.Recheck, absent: o.Absent, log: o.Log, now: o.Now, failed: o.Failed,
		conditions: conditions,
		cache:      c,
		sums:       &checksums{log: o.SumDB, files: snapshots.Open(c, o.SumDB)},
		absences:   absences,
		checking:   make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/coresPerZip)),
		wishes:     wishes,
		outages:    &outages{until: make(map[string]time.Time), now: o.Now, log: o.Log},
	}
	h.decision = verify.Checker{Log: o.SumDB, Private: o.Private, AllowUnrecorded: o.AllowUnrecorded, Snapshot: h.snapshotFor, Patience: o.Patience}
	h.versions, h.listings, h.revisions = h.newVersions(), h.newListings(), h.newRevisions()
	h.ctx, h.cancel = context.WithCancel(context.Background())
	return h, nil
}

// checker decides by a policy.
func (h *Handler) checker(policy sign.Verifier) *verify.Checker {
	c := h.decision
	c.Verifier = policy
	return &c
}

// isPrivate reports whether the checksum database is not asked about a module.
func (h *Handler) isPrivate(path string) bool { return h.checker(h.policy()).IsPrivate(path) }

// begin announces work Close has to wait for, unless Close was called.
func (h *Handler) begin() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ctx.Err() != nil {
		return false
	}
	h.working.Add(1)
	return true
}

// Close cancels what is being fetched, and waits for it to end. What is cached can still be served afterwards.
func (h *Handler) Close() error {
	h.mu.Lock()
	h.cancel()
	h.mu.Unlock()
	h.working.Wait()
	h.cache.Close()
	return nil
}

// ServeHTTP answers one request. Errors are text/plain, because the go command shows them to its user then.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		answer(w, r, http.StatusMethodNotAllowed, "only GET and HEAD are allowed")
		return
	}
	q, err := parse(r.URL)
	if err == nil && q.kind == kindSumDB {
		q, err = h.parseSumDB(q)
	}
	asked(events.Of(r.Context()), q, h.stores, h.policy)
	if path := q.module.Path; path != "" && !access.From(r.Context()).MayRead(path) {
		access.Refuse(w, r, path) // whether it is there or not
		return
	}
	defer h.wishes.begin(q, h.now())()
	if err == nil {
		err = h.serve(w, r, q)
	}
	if err != nil {
		h.fail(w, r, q, err)
		return
	}
	h.wishes.answered(q, false, true, h.now())
}

func (h *Handler) serve(w http.ResponseWriter, r *http.Request, q request) error {
	switch q.kind {
	case kindRoot, kindPage:
		return h.servePage(w, r, q)
	case kindList:
		return h.serveList(w, r, q)
	case kindLatest, kindRevision:
		return h.serveQuery(w, r, q)
	case kindInfo, kindMod, kindZip:
		return h.serveFile(w, r, q.module, q.kind)
	default:
		return h.serveSumDB(w, r, q)
	}
}

// servePage answers what is not about modules.
func (h *Handler) servePage(w http.ResponseWriter, r *http.Request, q request) error {
	status, text := http.StatusOK, "ok"
	switch {
	case q.kind == kindRoot:
		text = "modferry: Go modules"
		if access.From(r.Context()) == nil { // else not everybody may know what there are routes for
			text += " from " + h.stores.String()
		}
		text += "\nSet GOPROXY to this address to use it."
	case q.name == "healthz":
	case q.name == "readyz":
		status, text = h.readiness(r.Context())
	default:
		return errNoModule
	}
	answer(w, r, status, text)
	return nil
}
