package ocilayout

import (
	"context"
	"io"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/artifact/sumdb"
	"github.com/modferry/modferry/registry"
)

// anyRepository is where signatures are that another tool left without their repository. They are about a digest,
// wherever that is.
const anyRepository = ""

// identify finds out what the entries of other tools are. Those name an image by its tag, by the name it had in a
// registry, or not at all, so the manifests are asked. What they say is a key to look things up by and no proof:
// whoever reads a manifest checks that it is what was asked for, and who signed it.
//
// Of several that are the same thing, the last one that is named so counts, else the first. An entry like one of
// this package, which another tool wrote again, becomes one of this package.
func (x *index) identify(l *layout) {
	x.others = slices.DeleteFunc(x.others, func(o other) bool {
		repo, tags := x.identity(l, o)
		for _, tag := range tags {
			e := o.entry
			e.ref = repo + ":" + tag
			agrees := o.name == e.ref || repo == anyRepository && o.ref != ""
			if agrees && o.plain {
				x.journal.add(o.entry)
				return true
			}
			if _, there := x.foreign.find(repo, tag); agrees || !there {
				x.foreign.add(e)
			}
		}
		switch {
		case o.ref == "":
		case tags == nil:
			x.foreign.add(o.entry) // for want of anything better
		default:
			x.misnamed.add(o.entry)
		}
		return false
	})
	for _, entries := range x.foreign {
		if e, ok := latest(entries); ok {
			x.foreign.add(e)
		}
	}
}

// latest returns an entry that tags the newest snapshot of a checksum database among those of a repository.
func latest(entries []entry) (e entry, ok bool) {
	var newest int64
	for _, head := range entries {
		if n, isHead := sumdb.ParseHeadTag(head.tag()); isHead && n > newest {
			newest, e, ok = n, head, true
		}
	}
	e.ref = strings.TrimSuffix(e.ref, e.tag()) + sumdb.LatestTag
	return e, ok
}

// identity returns where this package would have put the manifest of an entry. There are no tags if that is not
// known, and of what only refers to another manifest.
func (x *index) identity(l *layout, o other) (repo string, tags []string) {
	if tag := o.name[strings.LastIndexByte(o.name, ':')+1:]; isSignatureTag(tag) {
		return anyRepository, []string{tag}
	}
	raw, err := l.readManifest(context.Background(), o.descriptor())
	if err != nil {
		return "", nil
	}
	if subject, referrer := registry.Referrer(o.descriptor(), raw); subject != nil {
		x.referrers[subject.Digest] = append(x.referrers[subject.Digest], referrer)
		return "", nil
	}
	var path, tag string
	if m, e := artifact.ParseManifest(raw); e == nil {
		path = m.Module.Path
		tag, err = m.Tag()
	} else if r, e := artifact.ParseRevision(raw); e == nil {
		path = r.Path
		tag, err = artifact.RevisionTag(r.Name)
	} else if ev, e := artifact.ParseEvidence(raw); e == nil {
		path = ev.Module.Path
		tag, err = artifact.EvidenceTag(ev.Module.Version)
	} else if s, e := sumdb.ParseManifest(raw); e == nil {
		return sumdb.RepositoryPrefix + s.Log, []string{sumdb.HeadTag(s.Tree.N)}
	} else {
		return anyRepository, l.signed(raw)
	}
	if err == nil {
		repo, err = artifact.Repository(path)
	}
	if err != nil {
		return "", nil
	}
	return repo, []string{tag}
}

// isSignatureTag reports whether a tag names signatures, or the referrers, of a manifest.
func isSignatureTag(tag string) bool {
	d := digest.NewDigestFromEncoded(digest.SHA256, strings.TrimSuffix(strings.TrimPrefix(tag, "sha256-"), ".sig"))
	return d.Validate() == nil && (tag == sign.Tag(d) || tag == registry.ReferrersTag(d))
}

// signed returns the tags of what a .sig manifest, by its payloads, has signatures of.
func (l *layout) signed(raw []byte) (tags []string) {
	sigs, err := sign.Parse(raw)
	for i := range sigs {
		if err != nil || !sigs[i].Fetch() {
			continue
		}
		r, err := l.open(context.Background(), sigs[i].Descriptor)
		if err != nil {
			continue
		}
		payload, err := io.ReadAll(r) // as large as the descriptor says, which sign.Parse limits
		r.Close()
		sigs[i].SetPayload(payload, err)
	}
	for _, s := range sigs {
		if d := s.Claim(); d != "" {
			tags = append(tags, sign.Tag(d))
		}
	}
	return tags
}
