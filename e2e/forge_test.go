package e2e

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/mod/module"
	"golang.org/x/mod/sumdb/dirhash"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/artifact/sumdb"
)

// forge KEY WHAT MODULE@VERSION replaces a version in $STORE by one with other content, well packaged and signed with
// KEY. So the signature says yes, and what says no has to be the checksum database. WHAT is how far the forger goes:
//
//	zip       one more file in the zip
//	mod       another go.mod, in the zip as well
//	record    zip, and the record claims the sum of the new zip
//	tile      record, and the tile with the record's hash claims the new hash
//	evidence  zip, and there is neither record nor tile
func cmdForge(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 3 || neg {
		ts.Fatalf("usage: forge KEY zip|mod|record|tile|evidence MODULE@VERSION")
	}
	key, what := args[0], args[1]
	path, version, _ := strings.Cut(args[2], "@")
	store := openVault(ts, ts.Getenv("STORE"))
	defer store.close()
	m, err := store.Find(store.ctx(), module.Version{Path: path, Version: version})
	ts.Check(err)
	meta, err := store.Meta(store.ctx(), m)
	ts.Check(err)
	var old bytes.Buffer
	ts.Check(store.Zip(store.ctx(), m, &old))

	f := artifact.Files{Module: m.Module, Info: meta.Info, GoMod: meta.GoMod, SumDB: meta.SumDB, Tiles: meta.Tiles}
	f.ZipFile = filepath.Join(ts.MkAbs("."), ".forged.zip")
	if what == "mod" {
		f.GoMod = append(bytes.Clone(meta.GoMod), "\n// forged\n"...)
		ts.Check(rewriteZip(f.ZipFile, old.Bytes(), m.Module.String()+"/go.mod", f.GoMod))
	} else {
		ts.Check(rewriteZip(f.ZipFile, old.Bytes(), m.Module.String()+"/forged.txt", []byte("forged")))
	}
	switch what {
	case "evidence":
		f.SumDB, f.Tiles = nil, nil
	case "record", "tile":
		forgeEvidence(ts, &f, m.Sum, what == "tile")
	}
	a, err := artifact.Build(f)
	ts.Check(err)
	tag, err := a.Manifest.Tag()
	ts.Check(err)
	store.push(m.Repository, tag, key, a.Descriptor, a.Raw, a.Blobs)
}

// forgeEvidence makes the record, and if asked to the tile, agree with the new zip.
func forgeEvidence(ts *testscript.TestScript, f *artifact.Files, oldSum string, tile bool) {
	sum, err := dirhash.HashZip(f.ZipFile, dirhash.Hash1)
	ts.Check(err)
	f.SumDB = bytes.ReplaceAll(f.SumDB, []byte(oldSum), []byte(sum))
	r, err := sumdb.ParseRecord(f.SumDB)
	ts.Check(err)
	if !tile {
		return
	}
	if len(f.Tiles) == 0 {
		ts.Fatalf("%s has no tile to forge: the log must grow beyond it first", f.Module)
	}
	hash := tlog.RecordHash(r.Text)
	for name, data := range f.Tiles {
		f.Tiles[name] = bytes.Clone(data)
		copy(f.Tiles[name][r.ID%sumdb.TileWidth*tlog.HashSize:], hash[:])
	}
}

// rewriteZip writes a zip like old in which one file has other content.
func rewriteZip(name string, old []byte, file string, content []byte) error {
	r, err := zip.NewReader(bytes.NewReader(old), int64(len(old)))
	if err != nil {
		return err
	}
	out, err := os.Create(name)
	if err != nil {
		return err
	}
	defer out.Close()
	w := zip.NewWriter(out)
	for _, f := range r.File {
		if f.Name == file {
			continue
		}
		if err := w.Copy(f); err != nil {
			return err
		}
	}
	add, err := w.Create(file)
	if err != nil {
		return err
	}
	_, err = add.Write(content)
	return errors.Join(err, w.Close(), out.Close())
}

// forgesnapshot KEY head|edge|spine|frontier flips a bit in that part of the newest checksum snapshot in $STORE, and
// signs what comes out with KEY.
func cmdForgeSnapshot(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 || neg {
		ts.Fatalf("usage: forgesnapshot KEY head|edge|spine|frontier")
	}
	const repo = "sumdb/sum.example.com"
	store := openVault(ts, ts.Getenv("STORE"))
	defer store.close()
	_, raw, err := store.Manifest(store.ctx(), repo, sumdb.LatestTag)
	ts.Check(err)
	m := parseImage(ts, raw)
	var blobs []artifact.Blob
	for i, d := range m.Layers {
		if strings.Contains(d.MediaType, ".sumdb."+args[1]+".") && blobs == nil {
			data := store.blob(repo, d)
			data[len(data)-5] ^= 1
			blobs = append(blobs, withBlob(&m.Layers[i], data))
		}
	}
	if blobs == nil {
		ts.Fatalf("the snapshot has no %s", args[1])
	}
	raw, err = json.Marshal(m)
	ts.Check(err)
	store.push(repo, sumdb.LatestTag, args[0], describe(raw), raw, blobs)
}

func parseImage(ts *testscript.TestScript, raw []byte) (m ocispec.Manifest) {
	d := json.NewDecoder(bytes.NewReader(raw))
	ts.Check(d.Decode(&m))
	if _, err := d.Token(); err != io.EOF {
		ts.Fatalf("manifest: %v", err)
	}
	return m
}
