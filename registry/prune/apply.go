package prune

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/inventory"
)

// Outcome is what became of a tag in a plan.
type Outcome string

// The outcomes.
const (
	Removed Outcome = "removed"
	Gone    Outcome = "gone"    // it was not there any more: an earlier run has removed it, or somebody else
	Changed Outcome = "changed" // it, or what goes with it, is not what it was when the plan was made: it stays
	Kept    Outcome = "kept"    // something that stays needs it
	Shared  Outcome = "shared"  // a tag that is not in the plan names the same manifest, and a registry would remove both
	Refused Outcome = "refused" // by the registry
)

// Result says what became of a tag.
type Result struct {
	Repository string  `json:"repository"`
	Tag        string  `json:"tag"`
	Outcome    Outcome `json:"outcome"`
	Reason     string  `json:"reason,omitempty"` // why it stays
}

// Failed reports whether a tag stays that should not.
func (r Result) Failed() bool {
	return r.Outcome == Changed || r.Outcome == Refused || r.Outcome == Shared
}

// ErrOtherStore: a plan was made for another store.
var ErrOtherStore = errors.New("the plan is for another store")

// Apply removes what a plan says from the store it was made for, and tells what became of each tag. A version stays,
// with all that goes with it, if any of that has changed since. Versions are removed first, then what goes with them,
// and signatures last, of what is gone; who is interrupted goes on with the same plan.
//
// The error says why it ended before its end: the registry lets nobody remove anything, for one.
func (p *Plan) Apply(ctx context.Context, store *registry.Store, tell func(Result)) error {
	if name := storeName(store); name != p.Store {
		return fmt.Errorf("%w: it is for %s, and this is %s", ErrOtherStore, p.Store, name)
	}
	a := applier{
		store: store, tell: tell, gone: make(map[registry.Deletion]bool),
		tags: make(map[string]map[string]bool), foreign: make(map[string]map[digest.Digest]string),
	}
	if err := a.apply(ctx, p.Removals); err != nil {
		return fmt.Errorf("removing what the plan says: %w", err)
	}
	return nil
}

// storeName returns the name of a store for plans: of a layout, wherever somebody is.
func storeName(s *registry.Store) string {
	dir, ok := strings.CutPrefix(s.String(), "oci:")
	if abs, err := filepath.Abs(dir); ok && err == nil {
		return "oci:" + abs
	}
	return s.String()
}

type applier struct {
	store *registry.Store
	tell  func(Result)
	gone  map[registry.Deletion]bool
	tags  map[string]map[string]bool // by repository, what is there after the versions were removed

	foreign map[string]map[digest.Digest]string // by repository, tags that other tools have put there
}

func (a *applier) apply(ctx context.Context, list []Removal) error {
	var versions, subjects, signatures []registry.Deletion
	var going []Removal
	for _, r := range list {
		same, err := a.unchanged(ctx, r)
		if err != nil {
			return err
		}
		if same {
			going = append(going, r)
			versions = append(versions, r.deletion())
		}
	}
	if err := a.delete(ctx, versions); err != nil {
		return err
	}
	for _, r := range going {
		for _, d := range r.companions() {
			why, err := a.needed(ctx, r, d)
			switch {
			case err != nil:
				return err
			case why != "":
				a.result(d, Kept, why)
			case !r.isSignature(d):
				subjects = append(subjects, d)
			}
		}
	}
	if err := a.delete(ctx, subjects); err != nil {
		return err
	}
	for _, r := range going {
		for _, d := range r.companions() {
			if !r.isSignature(d) {
				continue
			}
			there, err := a.there(ctx, r.subject(d))
			switch {
			case err != nil:
				return err
			case there:
				a.result(d, Kept, "what it signs is there")
			default:
				signatures = append(signatures, d)
			}
		}
	}
	return a.delete(ctx, signatures)
}

// there reports whether what is signed was not removed, has another tag, or is there again: whoever put it back saw its
// signatures there.
func (a *applier) there(ctx context.Context, d registry.Deletion) (bool, error) {
	foreign, err := a.foreignTags(ctx, d.Repository)
	if err != nil {
		return false, err
	}
	if !a.gone[d] || foreign[d.Digest] != "" {
		return true, nil
	}
	now, err := a.store.Resolve(ctx, d.Repository, d.Tag)
	switch {
	case errors.Is(err, registry.ErrNotFound):
		return false, nil
	case errors.Is(err, registry.ErrPolicy): // nobody may read it as yet
		return true, nil
	}
	return now.Digest == d.Digest, err
}

// delete removes tags, tells what became of them and records which are gone.
func (a *applier) delete(ctx context.Context, list []registry.Deletion) error {
	if len(list) == 0 {
		return nil
	}
	return a.store.Delete(ctx, list, func(d registry.Deletion, err error) { a.gone[d] = a.told(d, err) })
}

// unchanged reports whether a version and what goes with it are what they were, as far as they are there, and whether
// nobody else has tagged them. Else it tells.
func (a *applier) unchanged(ctx context.Context, r Removal) (bool, error) {
	foreign, err := a.foreignTags(ctx, r.Repository)
	if err != nil {
		return false, err
	}
	for _, d := range append(r.companions(), r.deletion()) {
		// A layout removes tags, and not what another one names.
		if tag := foreign[d.Digest]; tag != "" && !a.store.IsLayout() {
			a.stays(r, Shared, fmt.Sprintf("the tag %s names what %s does: remove it first, or leave the version", tag, d.Tag))
			return false, nil
		}
		now, err := a.store.Resolve(ctx, d.Repository, d.Tag)
		switch {
		case errors.Is(err, registry.ErrNotFound), errors.Is(err, registry.ErrPolicy): // Delete will see
		case err != nil:
			return false, err
		case now.Digest != d.Digest:
			a.stays(r, Changed, d.Tag+" names another manifest than when the plan was made: make a new plan")
			return false, nil
		}
	}
	return true, nil
}

// stays tells of a version and all that goes with it.
func (a *applier) stays(r Removal, o Outcome, reason string) {
	for _, d := range append([]registry.Deletion{r.deletion()}, r.companions()...) {
		a.result(d, o, reason)
	}
}

// foreignTags returns the tags of a repository that are none of modferry's, by the manifest that they name.
func (a *applier) foreignTags(ctx context.Context, repo string) (map[digest.Digest]string, error) {
	found, known := a.foreign[repo]
	if known {
		return found, nil
	}
	found = make(map[digest.Digest]string)
	for tag, err := range a.store.Tags(ctx, repo) {
		if errors.Is(err, registry.ErrNotFound) {
			break
		}
		if err == nil && inventory.IsModuleTag(tag) {
			continue
		}
		var d ocispec.Descriptor
		if err == nil {
			d, err = a.store.Resolve(ctx, repo, tag)
		}
		if err := tolerable(ctx, err); err != nil {
			return nil, err
		}
		found[d.Digest] = tag
	}
	a.foreign[repo] = found
	return found, nil
}

// told tells what the store said of a deletion, and reports whether it is not there now.
func (a *applier) told(d registry.Deletion, err error) bool {
	switch {
	case err == nil:
		a.result(d, Removed, "")
	case errors.Is(err, registry.ErrNotFound):
		a.result(d, Gone, "")
	case errors.Is(err, registry.ErrTagExists):
		a.result(d, Changed, err.Error())
		return false
	default:
		a.result(d, Refused, err.Error())
		return false
	}
	return true
}

func (a *applier) result(d registry.Deletion, o Outcome, reason string) {
	a.tell(Result{Repository: d.Repository, Tag: d.Tag, Outcome: o, Reason: reason})
}

// needed says what needs the evidence, or the revision, of a version that is to be gone; "" = nothing. The version
// may not be gone, somebody may have taken its other form out of the plan, or have put it back.
func (a *applier) needed(ctx context.Context, r Removal, d registry.Deletion) (string, error) {
	if r.isSignature(d) {
		return "", nil // its subject decides
	}
	tags, err := a.tagsOf(ctx, r.Repository)
	if err != nil {
		return "", err
	}
	version, _, _ := artifact.ParseTag(r.Tag)
	for _, form := range []func(string) (string, error){artifact.Tag, artifact.ModTag} {
		if tag, err := form(version); err == nil && tags[tag] {
			return tag + " is there", nil
		}
	}
	if !artifact.IsRevisionTag(d.Tag) || !tags[d.Tag] {
		return "", nil
	}
	means, err := means(ctx, a.store, d.Repository, d.Digest)
	if err == nil && means != "" && means != version {
		return "it means " + means, nil
	}
	return "", err
}

// tagsOf returns the tags of a repository.
func (a *applier) tagsOf(ctx context.Context, repo string) (map[string]bool, error) {
	if tags, ok := a.tags[repo]; ok {
		return tags, nil
	}
	tags := make(map[string]bool)
	for tag, err := range a.store.Tags(ctx, repo) {
		if errors.Is(err, registry.ErrNotFound) {
			break
		}
		if err != nil {
			return nil, err
		}
		tags[tag] = true
	}
	a.tags[repo] = tags
	return tags, nil
}
