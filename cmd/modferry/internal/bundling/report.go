package bundling

import (
	"fmt"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/opencontainers/go-digest"

	"github.com/modferry/modferry/registry/bundle"
	"github.com/modferry/modferry/registry/bundle/parity"
)

// A Report is what bundle create has written.
type Report struct {
	Bundle  digest.Digest  `json:"bundle"`
	Volumes []VolumeReport `json:"volumes"`
	Omitted int            `json:"omitted,omitempty"` // items that the other side has
}

// A VolumeReport is one volume in a [Report].
type VolumeReport struct {
	File  string `json:"file,omitempty"`
	Items int    `json:"items"`
	Files int    `json:"files"`
	Bytes int64  `json:"bytes"`

	Parity int64 `json:"parity,omitempty"` // bytes of the file beside it
}

// NewReport returns the report of a plan that is written to output; "" is nowhere.
func NewReport(p *bundle.Plan, output string) *Report {
	r := &Report{Bundle: p.Bundle(), Omitted: p.Omitted()}
	for n, s := range p.Volumes() {
		v := VolumeReport{Items: s.Items, Files: s.Files, Bytes: s.Size}
		if output != "" {
			v.File = bundle.VolumePath(output, n+1, len(p.Volumes()))
		}
		r.Volumes = append(r.Volumes, v)
	}
	return r
}

// String returns a line for each volume, and the bundle's digest.
func (r *Report) String() string {
	var b strings.Builder
	for n, v := range r.Volumes {
		fmt.Fprintf(&b, "volume %d of %d  %s  %s\n", n+1, len(r.Volumes), contents(v.Items, v.Bytes), v.File)
		if v.Parity > 0 {
			fmt.Fprintf(&b, "  parity  %s  %s\n", humanize.Bytes(uint64(v.Parity)), v.File+parity.Extension)
		}
	}
	if r.Omitted > 0 {
		fmt.Fprintf(&b, "%d items that the other side has are left out\n", r.Omitted)
	}
	return b.String() + "bundle " + r.Bundle.String()
}

func contents(items int, size int64) string {
	return fmt.Sprintf("%s items, %s", humanize.Comma(int64(items)), humanize.Bytes(uint64(size)))
}
