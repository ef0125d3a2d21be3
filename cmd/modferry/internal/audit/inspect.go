package audit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/dustin/go-humanize"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/artifact/sumdb"
	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/redact"
)

// Inspection is what a store has of one version, as its manifest claims it.
type Inspection struct {
	Module     string           `json:"module"`
	Version    string           `json:"version"`
	ModOnly    bool             `json:"modOnly"`
	Reference  string           `json:"reference"`
	Digest     string           `json:"digest"`
	Sum        string           `json:"sum,omitempty"`
	GoModSum   string           `json:"goModSum"`
	Blobs      []blobInfo       `json:"blobs"`
	Signatures []signature      `json:"signatures"`
	SumDB      *evidence        `json:"sumdb,omitempty"`
	Time       time.Time        `json:"time,omitzero"`
	Origin     *artifact.Origin `json:"origin,omitempty"`
	Licenses   string           `json:"licenses,omitempty"` // an SPDX expression, as far as they were recognised
}

type blobInfo struct {
	Name      string `json:"name"`
	MediaType string `json:"mediaType"`
	Digest    string `json:"digest"`
	Size      int64  `json:"size"`
}

// signature is what is known about one signature: without a key to check it with, only that it is there.
type signature struct {
	Checked bool   `json:"checked"`
	KeyID   string `json:"keyId,omitempty"` // or its names in the policy
	Error   string `json:"error,omitempty"`
}

// String returns it in one line.
func (s signature) String() string {
	switch {
	case !s.Checked:
		return "there, not checked (--key FILE checks it)"
	case s.Error != "":
		return "NOT accepted: " + s.Error
	}
	return "valid, key " + s.KeyID
}

// evidence is what the store has of the version from the checksum database.
type evidence struct {
	Record int64    `json:"record"` // its position in the log
	Tiles  []string `json:"tiles,omitempty"`
	Apart  bool     `json:"apart,omitempty"` // added after the version was stored, beside it
}

// String returns it in one line; nil is none.
func (e *evidence) String() string {
	if e == nil {
		return "no record"
	}
	words := []string{fmt.Sprintf("record %d", e.Record)}
	if e.Apart {
		words = append(words, "stored apart from the version")
	}
	return strings.Join(append(words, e.Tiles...), ", ")
}

// Inspect collects what there is to say about m. Signatures are only counted if v is nil.
func Inspect(ctx context.Context, store *registry.Store, m *registry.Module, v sign.Verifier) (*Inspection, error) {
	tag, err := m.Tag()
	if err != nil {
		return nil, err
	}
	meta, err := store.Meta(ctx, m)
	if err != nil {
		return nil, err
	}
	var info struct {
		Time   time.Time
		Origin *artifact.Origin
	}
	if err := json.Unmarshal(meta.Info, &info); err != nil {
		return nil, fmt.Errorf("%s: .info: %w", m.Module, err)
	}
	found := &Inspection{
		Module: m.Module.Path, Version: m.Module.Version, ModOnly: m.ModOnly(),
		Reference: store.Reference(m.Repository, tag), Digest: m.Descriptor.Digest.String(),
		Sum: m.Sum, GoModSum: m.GoModSum,
		Time: info.Time, Origin: info.Origin, Licenses: m.Annotations[ocispec.AnnotationLicenses],
	}
	if found.Origin != nil {
		found.Origin.URL = redact.Text(found.Origin.URL)
	}
	blobs := []ocispec.Descriptor{m.Config, m.Meta}
	if m.Zip != nil {
		blobs = append(blobs, *m.Zip)
	}
	for i, d := range blobs {
		name := [...]string{"config", "meta", "zip"}[i]
		found.Blobs = append(found.Blobs, blobInfo{name, d.MediaType, d.Digest.String(), d.Size})
	}
	sigs, err := store.Signatures(ctx, m.Repository, m.Descriptor.Digest)
	if err != nil {
		return nil, err
	}
	if found.Signatures, err = checkEach(ctx, m, sigs, v); err != nil {
		return nil, err
	}
	found.SumDB, err = findEvidence(ctx, store, m, meta, VerifierOf(v))
	return found, err
}

// findEvidence returns nil when there is none.
func findEvidence(ctx context.Context, store *registry.Store, m *registry.Module, meta *artifact.Meta, v sign.Verifier) (*evidence, error) {
	data, tiles, err := store.Evidence(ctx, m, meta, v)
	if errors.Is(err, registry.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	r, err := sumdb.ParseRecord(data)
	if err != nil {
		return nil, fmt.Errorf("%v: %w", m.Module, err)
	}
	return &evidence{Record: r.ID, Tiles: slices.Sorted(maps.Keys(tiles)), Apart: meta.SumDB == nil}, nil
}

// VerifierOf accepts everything where there is nothing to verify with (nil).
func VerifierOf(v sign.Verifier) sign.Verifier {
	if v == nil {
		return sign.SkipVerify{}
	}
	return v
}

// checkEach tells of each signature whose it is, and whether it counts.
func checkEach(ctx context.Context, m *registry.Module, sigs []sign.Signature, v sign.Verifier) ([]signature, error) {
	out := make([]signature, len(sigs))
	if v == nil {
		return out, nil
	}
	e, err := v.Explain(ctx, sign.Subject{Module: m.Module, Digest: m.Descriptor.Digest}, sigs)
	if err != nil {
		return nil, err
	}
	for i, f := range e.Signatures {
		out[i] = signature{Checked: true, KeyID: strings.Join(f.Keys, ", "), Error: f.Why}
	}
	return out, nil
}

// String returns the inspection as a table.
func (f *Inspection) String() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	row := func(name, format string, args ...any) { fmt.Fprintf(w, name+"\t"+format+"\n", args...) }
	row("module", "%s %s%s", f.Module, f.Version, Kind(f.ModOnly))
	row("stored as", "%s", f.Reference)
	row("digest", "%s", f.Digest)
	if f.Sum != "" {
		row("zip sum", "%s", f.Sum)
	}
	row("go.mod sum", "%s", f.GoModSum)
	for _, b := range f.Blobs {
		row(b.Name, "%s  %s", b.Digest, humanize.Bytes(uint64(b.Size)))
	}
	if len(f.Signatures) == 0 {
		row("signature", "none")
	}
	for _, s := range f.Signatures {
		row("signature", "%s", s)
	}
	row("checksum database", "%s", f.SumDB)
	if !f.Time.IsZero() {
		row("time", "%s", f.Time.Format(time.RFC3339))
	}
	if f.Origin != nil {
		row("origin", "%s %s %s %s", f.Origin.VCS, f.Origin.URL, f.Origin.Ref, f.Origin.Hash)
	}
	if f.Licenses != "" {
		row("licences", "%s", f.Licenses)
	}
	w.Flush()
	return strings.TrimSuffix(b.String(), "\n")
}
