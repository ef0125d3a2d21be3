package mirror

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/redact"
	"github.com/modferry/modferry/registry/requirement"
)

// Status is what became of an item.
type Status string

// The statuses of an [Event].
const (
	New       Status = "new"       // it is in the store now
	Existing  Status = "existing"  // it was there already, perhaps held back
	Signed    Status = "signed"    // it was there and has our signature now (in a dry run: would get)
	Completed Status = "completed" // it was there and has its checksum database evidence now
	Mended    Status = "mended"    // it was there, and what it lacked is put back
	Planned   Status = "planned"   // dry run: it would be mirrored
	HeldBack  Status = "held-back" // it is there, and after all waiting the registry's policy lets nobody read it
	Failed    Status = "failed"    // it could not be mirrored
)

// Event says what became of an item.
type Event struct {
	requirement.Requirement
	Status    Status
	Reference string        // of the version in the store, with its tag
	Digest    digest.Digest // of its manifest there, as far as known
	Bytes     int64         // of what was stored, the manifest included
	Recorded  bool          // the checksum database vouches for it
	Elapsed   time.Duration
	HeldBack  string // what the registry says about an existing version that its policy lets nobody read
	Err       error  // why it failed

	Got requirement.Sums // of what is stored, as far as known
}

// MarshalJSON returns the event as one JSON object, as "modferry mirror --json" prints it.
func (e Event) MarshalJSON() ([]byte, error) {
	out := struct {
		Module    string        `json:"module"`
		Version   string        `json:"version"`
		ModOnly   bool          `json:"modOnly,omitempty"`
		Revisions []string      `json:"revisions,omitempty"`
		From      string        `json:"from,omitempty"`
		Status    Status        `json:"status"`
		Reference string        `json:"reference,omitempty"`
		Digest    digest.Digest `json:"digest,omitempty"`
		Bytes     int64         `json:"bytes,omitempty"`
		Recorded  bool          `json:"checksumDatabase,omitempty"`
		Seconds   float64       `json:"seconds"`
		HeldBack  string        `json:"heldBack,omitempty"`
		Error     string        `json:"error,omitempty"`
	}{
		e.Module.Path, e.Module.Version, e.ModOnly, e.Revisions, e.From, e.Status, e.Reference, e.Digest,
		e.Bytes, e.Recorded, e.Elapsed.Round(time.Millisecond).Seconds(), e.HeldBack, "",
	}
	if e.Err != nil {
		out.Error = redact.Text(e.Err.Error())
	}
	return json.Marshal(out)
}

// Summary counts what became of items. What a dry run would mirror counts as new.
type Summary struct {
	New       int   `json:"new"`
	Existing  int   `json:"existing"`
	Signed    int   `json:"signed"`
	Completed int   `json:"completed"`
	Mended    int   `json:"mended"`
	HeldBack  int   `json:"heldBack,omitempty"` // of those above, by a registry whose scans were waited for
	Failed    int   `json:"failed"`
	Bytes     int64 `json:"bytes"` // of versions stored, without checksum snapshots and evidence of others
}

func (s *Summary) add(e Event) {
	switch e.Status {
	case New, Planned:
		s.New++
	case Existing:
		s.Existing++
	case Signed:
		s.Signed++
	case Completed:
		s.Completed++
	case Mended:
		s.Mended++
	case HeldBack:
		s.HeldBack++
	case Failed:
		s.Failed++
	}
	s.Bytes += e.Bytes
}

// found fills in the event for a version that is in the store. It is a conflict if
// that is not the version a go.sum means.
func (e *Event) found(store *registry.Store, have *registry.Module) error {
	if err := e.refer(store, have.Manifest); err != nil {
		return err
	}
	e.Got = requirement.Sums{Zip: have.Sum, GoMod: have.GoModSum}
	if err := e.checkLock(e.Reference); err != nil {
		return err
	}
	if requirement.Differ(have.Sum, e.Sum) || requirement.Differ(have.GoModSum, e.GoModSum) {
		return e.conflict(have)
	}
	e.Digest = have.Descriptor.Digest
	return nil
}

// checkLock compares what was got from somewhere with what is locked.
func (e *Event) checkLock(where string) error {
	switch want := e.Locked; {
	case requirement.Differ(e.Got.Zip, want.Zip):
		return &LockError{Module: e.Module, From: e.From, Where: where, File: "zip", Got: e.Got.Zip, Want: want.Zip}
	case requirement.Differ(e.Got.GoMod, want.GoMod):
		return &LockError{Module: e.Module, From: e.From, Where: where, File: "go.mod", Got: e.Got.GoMod, Want: want.GoMod}
	}
	return nil
}

func (e *Event) conflict(have *registry.Module) error {
	c := &registry.ConflictError{
		Module: e.Module, Reference: e.Reference,
		HaveSum: have.Sum, WantSum: have.Sum,
		HaveModSum: have.GoModSum, WantModSum: have.GoModSum,
		Reason: "the sums here are those of " + e.From,
	}
	if e.Sum != "" && !e.ModOnly {
		c.WantSum = e.Sum
	}
	if e.GoModSum != "" {
		c.WantModSum = e.GoModSum
	}
	return c
}

// published fills in the event for a version that was published.
func (e *Event) published(store *registry.Store, a *artifact.Artifact, outcome registry.Outcome) error {
	if err := e.refer(store, a.Manifest); err != nil {
		return err
	}
	switch outcome {
	case registry.Exists:
		e.Status = Existing
	case registry.SignatureAdded:
		e.Status = Signed
	default:
		e.Status, e.Digest, e.Bytes = New, a.Descriptor.Digest, a.Descriptor.Size
		for _, b := range a.Blobs {
			e.Bytes += b.Descriptor.Size
		}
	}
	return nil
}

func (e *Event) refer(store *registry.Store, m *artifact.Manifest) error {
	repo, err := artifact.Repository(m.Module.Path)
	if err != nil {
		return fmt.Errorf("naming %s: %w", m.Module, err)
	}
	tag, err := m.Tag()
	if err != nil {
		return fmt.Errorf("naming %s: %w", m.Module, err)
	}
	e.Reference = store.Reference(repo, tag)
	return nil
}
