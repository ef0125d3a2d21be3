package proxyshim

import (
	"archive/zip"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/opencontainers/go-digest"
	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/artifact/goproxy"
	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/artifact/sumdb"
	"github.com/modferry/modferry/proxyshim/cache"
	"github.com/modferry/modferry/proxyshim/events"
	"github.com/modferry/modferry/registry/redact"
	"github.com/modferry/modferry/registry/verify"
)

// Description is what the shim has found out about a version that it serves. Nothing in it is a judgement of its own: the
// version was accepted by [verify.Checker], as every one that is served, and this is by whose word.
type Description struct {
	ModOnly   bool             `json:"modOnly,omitempty"`  // only its go.mod is in the store
	Withheld  bool             `json:"withheld,omitempty"` // the store does not give it any more: not served
	Checked   time.Time        `json:"checked"`            // when the store last confirmed it
	Time      time.Time        `json:"time,omitzero"`      // of the version, as its .info has it; zero if unknown
	Size      int64            `json:"size,omitempty"`     // bytes of the zip layer; 0 if ModOnly
	Keys      []string         `json:"signedBy"`           // who signed it, of those who are trusted; none: signatures are not verified
	Rule      string           `json:"rule,omitempty"`     // of the trust policy, by which that counts; "" without a policy
	Record    *int64           `json:"record,omitempty"`   // its record in the checksum database; nil: it was accepted without one
	Private   bool             `json:"private,omitempty"`  // the checksum database is not asked about it
	Reference string           `json:"reference"`          // of the manifest, as container tools take it
	Manifest  digest.Digest    `json:"digest"`             // of the manifest
	Sum       string           `json:"sum,omitempty"`      // h1: of the zip; "" if ModOnly
	GoModSum  string           `json:"goModSum"`           // h1: of go.mod
	Origin    *artifact.Origin `json:"origin,omitempty"`   // nil if unknown
}

// Describe describes a version, which is fetched and verified if need be, as for a request for its .info. Its errors are
// for [Explain]. Nothing that is asked for so is a wish.
func (h *Handler) Describe(ctx context.Context, m module.Version) (*Description, error) {
	event := events.Of(ctx)
	e, err := h.version(ctx, m)
	if err != nil {
		status, _ := describe(m, err)
		outcome := failedWith(status, err)
		event.Failed(outcome, err)
		if outcome == events.Refused {
			h.report(Failure{events.Refused, m, err}, "verification failed", "module", m.Path, "version", m.Version, event.Attr())
		}
		return nil, err
	}
	h.record(event, h.policy(), e, false)
	return h.description(e), nil
}

// Known is Describe with what is in the cache, without asking a store; nil if there is nothing.
func (h *Handler) Known(m module.Version) *Description {
	store, err := h.stores.For(m.Path)
	if err != nil {
		return nil
	}
	policy := h.policy()
	e := h.cache.Find(m, store.String(), h.versions.fingerprint(policy, m.Path))
	if e == nil || h.lacksRecord(policy, e) || policy.Deny(e.Subject()) != nil {
		return nil
	}
	return h.description(e)
}

func (h *Handler) description(e *cache.Entry) *Description {
	policy := h.policy()
	d := &Description{
		ModOnly: e.ZipLayer == nil, Manifest: e.Manifest.Digest, Sum: e.Sum, GoModSum: e.GoModSum,
		Keys: append([]string{}, e.Keys...), Rule: policy.Rule(e.Module.Path).Name, Private: h.checker(policy).IsPrivate(e.Module.Path), Withheld: e.Withheld, Checked: e.Checked,
	}
	if e.ZipLayer != nil {
		d.Size = e.ZipLayer.Size
	}
	if r, err := sumdb.ParseRecord(h.sums.record(e)); err == nil {
		d.Record = &r.ID
	}
	d.Reference = h.reference(e)
	if f, _, err := h.cache.Open(e, goproxy.Info); err == nil {
		defer f.Close()
		var info struct {
			Time   time.Time
			Origin *artifact.Origin
		}
		if json.NewDecoder(f).Decode(&info) == nil {
			d.Time, d.Origin = info.Time, info.Origin
		}
		if d.Origin != nil {
			d.Origin.URL = redact.Text(d.Origin.URL)
		}
	}
	return d
}

// reference returns the full reference of a version's manifest, "" if routes lead elsewhere by now.
func (h *Handler) reference(e *cache.Entry) string {
	store, err := h.stores.For(e.Module.Path)
	if err != nil {
		return ""
	}
	tag := artifact.Tag
	if e.ZipLayer == nil {
		tag = artifact.ModTag
	}
	name, err := tag(e.Module.Version)
	if err != nil {
		return ""
	}
	return store.Reference(e.Repository, name)
}

// ErrNoZip: the zip of a version is not in the cache.
var ErrNoZip = errors.New("the zip is not in the cache")

// CachedZip opens the zip of a version, which was verified, if it is in the cache.
func (h *Handler) CachedZip(m module.Version) (*zip.Reader, io.Closer, error) {
	e := h.cache.Get(m)
	if e == nil || !e.HasZip() || e.Withheld {
		return nil, nil, ErrNoZip
	}
	f, _, err := h.cache.Open(e, goproxy.Zip)
	if err != nil {
		return nil, nil, err
	}
	r, err := zipReader(f)
	if err != nil {
		return nil, nil, errors.Join(err, f.Close())
	}
	return r, f, nil
}

// zipReader reads the directory of a zip in the cache.
func zipReader(f io.ReadSeeker) (*zip.Reader, error) {
	size, err := f.Seek(0, io.SeekEnd)
	r, ok := f.(io.ReaderAt)
	if err != nil || !ok {
		return nil, errors.Join(err, zip.ErrFormat)
	}
	return zip.NewReader(r, size)
}

// Versions returns what the store has of a module, each in semver order: the full versions, and those of which it has
// go.mod only. As in @v/list, what the policy denies is left out. Its errors are for [Explain].
func (h *Handler) Versions(ctx context.Context, path string) (full, modOnly []string, err error) {
	answer, err := h.listing(ctx, path, false)
	if err != nil {
		return nil, nil, err
	}
	l, err := h.permitted(path, &answer.Value)
	if err != nil {
		return nil, nil, err
	}
	return l.Versions, l.ModOnly, nil
}

// SnapshotState is what the shim has of the checksum database.
type SnapshotState struct {
	Log      string    `json:"log"`               // its name
	Records  int64     `json:"records"`           // of the tree head; 0: there is no snapshot
	Captured time.Time `json:"captured,omitzero"` // the day, in UTC; zero if unknown
	Store    string    `json:"store,omitempty"`   // where it came from
	Checked  time.Time `json:"checked,omitzero"`  // when the stores were last asked
	Faults   []error   `json:"-"`                 // what they failed with then
}

// Snapshot returns the state of the checksum snapshot. The stores are asked if that is due, for as long as ctx lasts;
// then what was found out before is returned.
func (h *Handler) Snapshot(ctx context.Context) SnapshotState {
	state := SnapshotState{Log: h.sums.log.Name()}
	n, err := h.newest(ctx, false)
	if err != nil {
		n = h.sums.now.Load()
	}
	if n == nil {
		return state
	}
	state.Checked = n.Checked
	for _, fault := range n.Faults {
		if n.Seen || verify.Classify(fault) != verify.Denied { // which is how some registries say that there is none
			state.Faults = append(state.Faults, fault)
		}
	}
	if n.Snapshot != nil {
		state.Records, state.Captured, state.Store = n.Head().N, n.Captured(), n.Store
	}
	return state
}

// Latest returns the version that @latest means among versions, "" among none.
func Latest(versions []string) string { return latest(versions) }

// IsPrivate reports whether the checksum database is not asked about a module.
func (h *Handler) IsPrivate(path string) bool { return h.isPrivate(path) }

// Policy returns what decides now whose signatures count.
func (h *Handler) Policy() sign.Verifier { return h.policy() }

// Explain returns the HTTP status and the text that a request about m is answered with for err.
func Explain(m module.Version, err error) (status int, text string) {
	status, text = describe(m, err)
	if status != http.StatusNotFound {
		text = redact.Text(text)
	}
	return status, plain(text)
}
