package load

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/module"
	"golang.org/x/mod/sumdb/dirhash"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/artifact/sumdb"
)

// A World is made-up module versions with the checksum database that records them. Everything about the i-th version follows
// from i, so that a store of any size takes no space, and a registry can send what a real one that it was mirrored to would.
// Every second version is mod-only, as in the module graphs of real projects.
type World struct {
	Size      int // versions
	PerModule int // versions of one module
	Log       *sumdb.Log

	records []recordSums // of each version
	tree    tree
}

// recordSums are the sums in the record of a version.
type recordSums struct{ zip, mod string }

// NewWorld makes a world, whose log has a number of records, a multiple of 256, of which most are not of versions in it.
// For 200,000 versions in a log of 72 million records it takes some seconds.
func NewWorld(size, perModule int, logSize int64) (*World, error) {
	w := &World{Size: size, PerModule: perModule, records: make([]recordSums, size)}
	var err error
	if w.Log, err = sumdb.ParseLog(publicKey); err != nil {
		return nil, err
	}
	for i := range w.records {
		if w.records[i], err = w.sums(i); err != nil {
			return nil, err
		}
	}
	w.tree, err = newTree(logSize, int64(size), w.record)
	return w, err
}

// Modules returns the number of modules.
func (w *World) Modules() int { return (w.Size + w.PerModule - 1) / w.PerModule }

const (
	pathPrefix = "example.com/team"
	pathInfix  = "/lib"
	teamSize   = 50 // modules
)

// Path returns the path of the m-th module.
func (w *World) Path(m int) string {
	return fmt.Sprintf("%s%d%s%d", pathPrefix, m/teamSize, pathInfix, m)
}

// parsePath is the reverse of Path.
func (w *World) parsePath(path string) (m int, ok bool) {
	_, number, _ := strings.Cut(path, pathInfix)
	m, err := strconv.Atoi(number)
	return m, err == nil && m >= 0 && m < w.Modules() && w.Path(m) == path
}

// Version returns the i-th version; those of a module are neighbours.
func (w *World) Version(i int) module.Version {
	return module.Version{Path: w.Path(i / w.PerModule), Version: fmt.Sprintf("v1.%d.0", i%w.PerModule)}
}

// versions returns which versions the m-th module has, from the first up to before the last.
func (w *World) versions(m int) (from, to int) {
	return m * w.PerModule, min((m+1)*w.PerModule, w.Size)
}

// ModOnly reports whether the zip of the i-th version is not in the store.
func ModOnly(i int) bool { return i%2 == 1 }

func (w *World) goMod(i int) []byte {
	return fmt.Appendf(nil, "module %s\n\ngo 1.24\n", w.Version(i).Path)
}

func (w *World) info(i int) []byte {
	return fmt.Appendf(nil, `{"Version":%q,"Time":"2026-01-02T03:04:05Z"}`, w.Version(i).Version)
}

// source is as long as the median file of a Go module.
func (w *World) source(i int) []byte {
	return append(fmt.Appendf(nil, "package lib\n\nconst Number = %d\n", i), strings.Repeat("// A line of a comment, as there are many.\n", 50)...)
}

// zip returns the zip of the i-th version.
func (w *World) zip(i int) ([]byte, error) {
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	for _, f := range w.files(i) {
		entry, err := z.Create(w.Version(i).String() + "/" + f.name)
		if err == nil {
			_, err = entry.Write(f.content)
		}
		if err != nil {
			return nil, err
		}
	}
	err := z.Close()
	return out.Bytes(), err
}

type file struct {
	name    string
	content []byte
}

func (w *World) files(i int) []file {
	return []file{{"go.mod", w.goMod(i)}, {"lib.go", w.source(i)}}
}

// sums returns the h1 sums of the i-th version, computed without making its zip.
func (w *World) sums(i int) (s recordSums, err error) {
	content := map[string][]byte{"go.mod": w.goMod(i)}
	open := func(name string) (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content[name])), nil }
	if s.mod, err = dirhash.Hash1([]string{"go.mod"}, open); err != nil {
		return s, err
	}
	var names []string
	for _, f := range w.files(i) {
		name := w.Version(i).String() + "/" + f.name
		names, content[name] = append(names, name), f.content
	}
	s.zip, err = dirhash.Hash1(names, open)
	return s, err
}

// TileOf returns which tile at level 0 has the record of the i-th version.
func (w *World) TileOf(i int) int64 { return w.tree.position(int64(i)) >> sumdb.TileHeight }

// record returns the i-th version's record, go.sum lines.
func (w *World) record(i int64) []byte {
	m, s := w.Version(int(i)), w.records[i]
	return fmt.Appendf(nil, "%[1]s %[2]s %[3]s\n%[1]s %[2]s/go.mod %[4]s\n", m.Path, m.Version, s.zip, s.mod)
}

// Artifact builds the i-th version, with what proves that the log has it. The zip is gone when it returns; layer is what
// there is of it in the artifact, nil for one that is mod-only.
func (w *World) Artifact(i int) (a *artifact.Artifact, layer []byte, err error) {
	evidence := sumdb.Record{ID: w.tree.position(int64(i)), Text: w.record(int64(i))}
	record, err := evidence.Format()
	if err != nil {
		return nil, nil, err
	}
	tile := evidence.ID >> sumdb.TileHeight
	f := artifact.Files{
		Module: w.Version(i), GoMod: w.goMod(i), Info: w.info(i),
		SumDB: record, Tiles: map[string][]byte{w.Log.TileEntry(tile): w.tree.tile(tile)},
	}
	if ModOnly(i) {
		a, err = artifact.Build(f)
		return a, nil, err
	}
	name, err := w.writeZip(i)
	if err != nil {
		return nil, nil, err
	}
	defer os.Remove(name)
	f.ZipFile = name
	if a, err = artifact.Build(f); err != nil {
		return nil, nil, err
	}
	layer, err = read(a.Blobs[len(a.Blobs)-1])
	return a, layer, err
}

func read(b artifact.Blob) ([]byte, error) {
	r, err := b.Open()
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(r)
	return data, errors.Join(err, r.Close())
}

func (w *World) writeZip(i int) (name string, err error) {
	data, err := w.zip(i)
	if err != nil {
		return "", err
	}
	f, err := os.CreateTemp("", "zip")
	if err != nil {
		return "", err
	}
	_, err = f.Write(data)
	return f.Name(), errors.Join(err, f.Close())
}

// Needs returns the k-th version of those that a project needs: one half all projects need, the other is its own.
func (w *World) Needs(project, k int) Target {
	i := k / 2 * 7919 % w.Size // primes, so that there are w.Size different ones
	if k%2 == 1 {
		i = (project*104_729 + k/2*49_999) % w.Size
	}
	return Target{w.Version(i), ModOnly(i)}
}

// WriteProxy writes all versions into a directory for GOPROXY=file://.
func (w *World) WriteProxy(dir string) error {
	for i := range w.Size {
		m := w.Version(i)
		at := filepath.Join(dir, filepath.FromSlash(m.Path), "@v")
		if err := os.MkdirAll(at, 0o777); err != nil {
			return err
		}
		zip, err := w.zip(i)
		if err != nil {
			return err
		}
		for ext, data := range map[string][]byte{".info": w.info(i), ".mod": w.goMod(i), ".zip": zip} {
			if err := os.WriteFile(filepath.Join(at, m.Version+ext), data, 0o666); err != nil {
				return err
			}
		}
	}
	return nil
}

// GoSum returns the go.sum of somebody who needs all versions.
func (w *World) GoSum() []byte {
	var sums bytes.Buffer
	for i := range w.Size {
		lines := w.record(int64(i))
		if ModOnly(i) {
			_, lines, _ = bytes.Cut(lines, []byte("\n"))
		}
		sums.Write(lines)
	}
	return sums.Bytes()
}
