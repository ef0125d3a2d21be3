package sumdb

import (
	"bytes"
	"encoding/json"
	"testing"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/modferry/modferry/artifact"
)

func FuzzParseRecord(f *testing.F) {
	l := bigLog()
	f.Add(l.lookup(f, 7, 1000))
	record, _ := l.record(7).Format()
	f.Add(record)
	f.Add([]byte("01\na\n\n"))
	f.Add([]byte("0\n\n\n"))
	m := l.module(7)
	zip, mod := l.sums(7)
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := ParseRecord(data)
		if err == nil {
			if back, err := r.Format(); err != nil || !bytes.Equal(back, data) {
				t.Fatalf("formatted again: %q, %v", back, err)
			}
			if zip, mod, err := r.Sums(m); err == nil && (!artifact.IsSum(zip) || !artifact.IsSum(mod)) {
				t.Fatalf("sums %q %q", zip, mod)
			}
			_ = r.Check(m, zip, mod)
		}
		// A record is what comes before the head in the answer to a lookup.
		r, note, err := cutRecord(data)
		if err == nil {
			if back, err := r.Format(); err != nil || !bytes.Equal(append(back, note...), data) {
				t.Fatalf("lookup formatted again: %q, %v", back, err)
			}
		}
	})
}

func FuzzParseLookupPath(f *testing.F) {
	f.Add("lookup/example.com/!upper@v1.0.0-!r!c1")
	f.Add("lookup/golang.org/toolchain@v0.0.1-go1.26.2.linux-amd64")
	f.Add("lookup/example.com/old@v2.0.0+incompatible")
	f.Add("lookup/../@")
	f.Fuzz(func(t *testing.T, path string) {
		m, err := ParseLookupPath(path)
		if err != nil {
			return
		}
		if back, err := LookupPath(m); err != nil || back != path {
			t.Fatalf("%q is %v is %q, %v", path, m, back, err)
		}
	})
}

func FuzzParseGOSUMDB(f *testing.F) {
	f.Add("sum.golang.org")
	f.Add(testVerifier + " https://sums.corp.example")
	f.Add("off")
	f.Add("x+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8")
	f.Fuzz(func(t *testing.T, value string) {
		l, _, err := ParseGOSUMDB(value)
		if err != nil {
			return
		}
		if again, err := ParseLog(l.Key()); err != nil || again.Name() != l.Name() || !logName.MatchString(l.Name()) {
			t.Fatalf("key %q of %q: %v", l.Key(), value, err)
		}
	})
}

func FuzzOpenHead(f *testing.F) {
	l := bigLog()
	f.Add(l.Note(f, 1000))
	f.Add([]byte("go.sum database tree\n1\n\n\n— x y\n"))
	f.Fuzz(func(t *testing.T, msg []byte) {
		h, err := l.OpenHead(msg)
		if err == nil && (h.N < 0 || h.N > MaxRecords || !bytes.Equal(h.Note, msg)) {
			t.Fatalf("head of %d records", h.N)
		}
	})
}

func FuzzParseHeadTag(f *testing.F) {
	f.Add("head-72000000")
	f.Add("head-01")
	f.Fuzz(func(t *testing.T, tag string) {
		if n, ok := ParseHeadTag(tag); ok && HeadTag(n) != tag {
			t.Fatalf("%q is %d", tag, n)
		}
	})
}

func FuzzTile(f *testing.F) {
	l := bigLog()
	s := l.chain(f, 1000, 66000)[1]
	full, err := l.Tile(f.Context(), fullTile(100))
	if err != nil {
		f.Fatal(err)
	}
	f.Add("tile/8/0/257.p/208")
	f.Add("tile/8/1/001.p/1")
	f.Add("tile/8/2/000.p/1")
	f.Add("tile/8/9223372036854775807/x999/x999/x999/x999/x999/x999/999")
	f.Add("tile/30/data/000")
	f.Fuzz(func(t *testing.T, path string) {
		tile, err := tlog.ParseTilePath(path)
		if err != nil {
			return
		}
		if data, err := s.Tile(tile); err == nil && len(data) != tile.W*tlog.HashSize {
			t.Fatalf("%d bytes", len(data))
		}
		if data, err := s.TileFrom(tile, full); err == nil && !bytes.Equal(data, full[:tile.W*tlog.HashSize]) {
			t.Fatalf("another tile than the one given")
		}
	})
}

// FuzzRead has the manifest altered, and the config; the other blobs are as bad as their digests say.
func FuzzRead(f *testing.F) {
	l := bigLog()
	s := l.chain(f, 300, 66000)[1]
	st := store(f, s)
	f.Add(st.manifest, st.blobs[st.layers[0]])
	f.Add([]byte(`{}`), []byte(`{}`))
	f.Fuzz(func(t *testing.T, manifest, conf []byte) {
		if len(conf) > 0 {
			var m ocispec.Manifest
			if json.Unmarshal(manifest, &m) == nil {
				out := (&stored{manifest: manifest, blobs: st.blobs}).repack(t, func(m *ocispec.Manifest, put putFunc) {
					m.Config = put(MediaTypeConfig, conf)
				})
				check(t, l, out, s)
			}
		}
		check(t, l, &stored{manifest: manifest, blobs: st.blobs}, s)
	})
}

// check reads a snapshot. If that succeeds, it must hold what the log signed.
func check(t *testing.T, l *testLog, st *stored, s *Snapshot) {
	t.Helper()
	read, err := Read(t.Context(), l.Log, st.manifest, st.read)
	if err == nil && (read.Head().Tree != s.Head().Tree || !bytes.Equal(read.spine.held, s.spine.held)) {
		t.Fatal("a snapshot that the log did not sign")
	}
}

func FuzzParseEvidence(f *testing.F) {
	l := bigLog()
	record, _ := l.record(7).Format()
	f.Add(record, make([]byte, TileSize))
	f.Add([]byte("0\nx\n\n"), []byte{})
	s := l.build(f, 1000, BuildOptions{})
	m := l.module(7)
	zip, mod := l.sums(7)
	f.Fuzz(func(t *testing.T, record, tile []byte) {
		e, err := ParseEvidence(l.Log, record, map[string][]byte{l.TileEntry(0): tile})
		if err != nil {
			return
		}
		if err := s.Verify(m, zip, mod, e); err == nil && !bytes.Equal(e.Record.Text, l.record(7).Text) {
			t.Fatalf("verified: %q", record)
		}
		if _, err := s.Lookup(e); err != nil && e.Record.ID < 1000 {
			t.Fatal(err)
		}
	})
}
