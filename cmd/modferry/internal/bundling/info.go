package bundling

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/opencontainers/go-digest"

	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/registry/bundle"
	"github.com/modferry/modferry/registry/bundle/parity"
	"github.com/modferry/modferry/registry/redact"
)

// A VolumeInfo is what there is to say about a volume.
type VolumeInfo struct {
	File    string        `json:"file"`
	Bundle  digest.Digest `json:"bundle"`
	Volume  int           `json:"volume"`
	Volumes int           `json:"volumes"`
	Items   int           `json:"items"`
	Files   int           `json:"files"`
	Bytes   int64         `json:"bytes"`
	Source  string        `json:"source,omitempty"`
	Base    digest.Digest `json:"base,omitempty"`
	Omitted int           `json:"omitted,omitempty"`
	Signed  bool          `json:"signed"`
	Keys    []string      `json:"keys,omitempty"`           // that vouch for it, of those there were to check with
	Error   string        `json:"signatureError,omitempty"` // why none does
	CutOff  int64         `json:"cutOff,omitempty"`         // bytes that are missing at its end
	Damaged []Damaged     `json:"damaged,omitempty"`
	Parity  string        `json:"parity,omitempty"` // what it made up for, or why it did not
	checked bool
}

// Damaged is an item of which a file is damaged.
type Damaged struct {
	Item  string `json:"item"`
	Error string `json:"error"`
}

// An Inspector inspects volumes.
type Inspector struct {
	Stdin io.Reader
	Trust sign.Verifier // to check signatures with; nil = they are not checked
	Check bool          // read every file

	// Progress returns what is told of the bytes that are read, of so many; nil = nobody is.
	Progress func(what string, total int64) (add func(int64), done func())

	seen map[digest.Digest][]*VolumeInfo
}

// Inspect opens a volume, "-" for standard input, and says what there is to say about it. Each is told of the items before
// that.
func (in *Inspector) Inspect(ctx context.Context, path string, each func(*bundle.Volume) error) (*VolumeInfo, error) {
	if path == "-" {
		v, err := bundle.OpenPipe("standard input", in.Stdin, bundle.Options{})
		if err != nil {
			return nil, err
		}
		info, err := in.inspect(ctx, path, v, each)
		return info, errors.Join(err, v.Close())
	}
	v, err := bundle.Open(path, bundle.Options{})
	repair := ""
	if err != nil || in.Check {
		m := parity.Mend(ctx, path, "")
		defer m.Close()
		if repair = repairOf(m); m.Repaired() {
			if err == nil {
				v.Close()
			}
			v, err = bundle.Open(m.Path, bundle.Options{})
		}
	}
	if err != nil {
		return nil, err
	}
	info, err := in.inspect(ctx, path, v, each)
	if info != nil {
		info.Parity = repair
	}
	return info, errors.Join(err, v.Close())
}

// repairOf says what the parity of a volume was good for; "" if there is none.
func repairOf(m *parity.Mended) string {
	switch {
	case m.Err != nil:
		return redact.Text(m.Err.Error())
	case m.Repaired():
		return fmt.Sprintf("makes up for damage: %v, and what is said here is of a copy that was repaired, as loading it does", m.Damage)
	case parity.HasSidecar(m.Path):
		return "not needed: the volume is whole"
	}
	return ""
}

func (in *Inspector) inspect(ctx context.Context, path string, v *bundle.Volume, each func(*bundle.Volume) error) (*VolumeInfo, error) {
	i := v.Info()
	own := i.Volumes[i.Volume-1]
	info := &VolumeInfo{
		File: path, Bundle: i.Bundle, Volume: i.Volume, Volumes: len(i.Volumes), Source: i.Source,
		Items: own.Items, Files: own.Files, Bytes: own.Size, Base: i.Base, Omitted: i.Omitted,
		Signed: i.Signed, CutOff: v.Missing(), checked: in.Trust != nil,
	}
	if in.Trust != nil {
		keys, err := v.Verify(ctx, in.Trust)
		info.Keys = keys
		if err != nil {
			info.Error = redact.Text(err.Error())
		}
	}
	if in.seen == nil {
		in.seen = make(map[digest.Digest][]*VolumeInfo)
	}
	in.seen[info.Bundle] = append(in.seen[info.Bundle], info)
	if each != nil {
		if err := each(v); err != nil {
			return info, err
		}
	}
	if !in.Check {
		return info, nil
	}
	add, done := in.Progress("read of "+path, own.Size)
	damaged, err := v.Check(ctx, add)
	done()
	for _, d := range damaged {
		info.Damaged = append(info.Damaged, Damaged{d.Item.String(), redact.Text(d.Err.Error())})
	}
	return info, err
}

// String returns it in lines.
func (i *VolumeInfo) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n  bundle     %s\n  volume     %d of %d\n  contents   %s in %s files\n",
		i.File, i.Bundle, i.Volume, i.Volumes, contents(i.Items, i.Bytes), humanize.Comma(int64(i.Files)))
	if i.Source != "" {
		fmt.Fprintf(&b, "  from       %s\n", i.Source)
	}
	if i.Base != "" {
		fmt.Fprintf(&b, "  base       inventory %s, which has %s more items\n", i.Base, humanize.Comma(int64(i.Omitted)))
	}
	switch {
	case i.Error != "":
	case !i.Signed:
		b.WriteString("  signature  none\n")
	case !i.checked:
		b.WriteString("  signature  there, not checked (--key FILE checks it)\n")
	default:
		fmt.Fprintf(&b, "  signature  valid, key %s\n", strings.Join(i.Keys, ", "))
	}
	if i.Parity != "" {
		fmt.Fprintf(&b, "  parity     %s\n", i.Parity)
	}
	for _, p := range i.Problems() {
		fmt.Fprintf(&b, "  %s\n", p)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// Problems returns what is wrong with the volume, a line each.
func (i *VolumeInfo) Problems() (lines []string) {
	if i.Error != "" {
		lines = append(lines, "REFUSED    "+i.Error)
	}
	if i.CutOff > 0 {
		lines = append(lines, fmt.Sprintf("CUT OFF    %s bytes are missing at its end", humanize.Comma(i.CutOff)))
	}
	for _, d := range i.Damaged {
		lines = append(lines, fmt.Sprintf("DAMAGED    %s: %s", d.Item, d.Error))
	}
	return lines
}

// Lacking is what there is of a bundle when all its volumes that are here have been inspected.
type Lacking struct {
	Bundle  digest.Digest `json:"bundle"`
	Lacking []int         `json:"lacking"` // numbers of volumes
	Twice   []string      `json:"twice,omitempty"`
	volumes int
}

// Lacking returns that for each bundle.
func (in *Inspector) Lacking() (all []Lacking) {
	for id, infos := range in.seen {
		l := Lacking{Bundle: id, Lacking: []int{}, volumes: infos[0].Volumes}
		have := make(map[int]bool)
		for _, i := range infos {
			if have[i.Volume] {
				l.Twice = append(l.Twice, i.File)
			}
			have[i.Volume] = true
		}
		for k := range l.volumes {
			if !have[k+1] {
				l.Lacking = append(l.Lacking, k+1)
			}
		}
		all = append(all, l)
	}
	slices.SortFunc(all, func(a, b Lacking) int { return cmp.Compare(a.Bundle, b.Bundle) })
	return all
}

// String returns it in a line.
func (l Lacking) String() string {
	line := fmt.Sprintf("bundle %s: ", l.Bundle)
	switch n := len(l.Lacking); n {
	case 0:
		line += "all volumes are here"
	case 1:
		line += fmt.Sprintf("volume %d of %d is not here", l.Lacking[0], l.volumes)
	default:
		line += fmt.Sprintf("volumes %s of %d are not here", strings.Trim(strings.ReplaceAll(fmt.Sprint(l.Lacking), " ", ", "), "[]"), l.volumes)
	}
	if l.Twice != nil {
		line += "; here twice: " + strings.Join(l.Twice, ", ")
	}
	return line
}
