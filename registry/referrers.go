package registry

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/modferry/modferry/artifact"
)

// ReferrersTag returns the tag under which clients keep the list of a manifest's referrers where a registry has none of
// its own (distribution-spec 1.1, "Referrers Tag Schema"): sha256-<hex>.
func ReferrersTag(subject digest.Digest) string {
	return strings.Replace(subject.String(), ":", "-", 1)
}

// Referrer returns the manifest that raw refers to as its subject, nil if there is none, and raw's own descriptor d as
// lists of referrers have it: with the artifact type and the annotations.
func Referrer(d ocispec.Descriptor, raw []byte) (subject *ocispec.Descriptor, referrer ocispec.Descriptor) {
	var m struct {
		ArtifactType string                     `json:"artifactType"`
		Config       struct{ MediaType string } `json:"config"`
		Subject      *ocispec.Descriptor        `json:"subject"`
		Annotations  map[string]string          `json:"annotations"`
	}
	if json.Unmarshal(raw, &m) != nil || m.Subject == nil {
		return nil, d
	}
	if d.ArtifactType = m.ArtifactType; d.ArtifactType == "" {
		d.ArtifactType = m.Config.MediaType
	}
	d.Annotations = m.Annotations
	return m.Subject, d
}

// ParseReferrers reads a list of referrers: the image index that a registry answers with, or that is under [ReferrersTag].
func ParseReferrers(index []byte) ([]ocispec.Descriptor, error) {
	var list ocispec.Index
	if err := json.Unmarshal(index, &list); err != nil {
		return nil, fmt.Errorf("%w: list of referrers: %w", ErrCorrupt, err)
	}
	if list.MediaType != "" && list.MediaType != ocispec.MediaTypeImageIndex {
		return nil, fmt.Errorf("%w: list of referrers of media type %.80q", ErrCorrupt, list.MediaType)
	}
	return list.Manifests, nil
}

// AddReferrer returns the list of referrers index, nil for none, with one more, and without those that are gone. added is
// false if that is listed already. The order is that in which they came.
func AddReferrer(index []byte, referrer ocispec.Descriptor, gone ...digest.Digest) (image *artifact.Image, added bool, err error) {
	list := ocispec.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex}
	if index != nil {
		if _, err := ParseReferrers(index); err != nil {
			return nil, false, err
		}
		if err := json.Unmarshal(index, &list); err != nil {
			return nil, false, err
		}
	}
	if slices.ContainsFunc(list.Manifests, func(d ocispec.Descriptor) bool { return d.Digest == referrer.Digest }) {
		return nil, false, nil
	}
	list.Manifests = slices.DeleteFunc(list.Manifests, func(d ocispec.Descriptor) bool { return slices.Contains(gone, d.Digest) })
	list.Manifests = append(list.Manifests, referrer)
	raw, err := json.Marshal(list)
	if err == nil {
		err = artifact.CheckSize("list of referrers", int64(len(raw)), artifact.MaxManifest)
	}
	if err != nil {
		return nil, false, err
	}
	return &artifact.Image{Raw: raw, Descriptor: artifact.NewBlob(ocispec.MediaTypeImageIndex, raw).Descriptor}, true, nil
}
