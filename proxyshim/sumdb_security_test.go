package proxyshim

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/mod/sumdb/note"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/artifact/goproxy"
	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/artifact/sumdb"
	"github.com/modferry/modferry/proxyshim/snapshots"
)

// wantRefused checks that no file of a version is served or cached, nor its record.
func (e *env) wantRefused(c content, part string) {
	e.t.Helper()
	file, err := goproxy.Base(c.m)
	check(e.t, err)
	for _, ext := range []string{".info", ".mod", ".zip"} {
		e.want("/"+file+ext, http.StatusForbidden, "SECURITY: ")
	}
	path, err := sumdb.LookupPath(c.m)
	check(e.t, err)
	e.want(logURL+path, http.StatusForbidden, part)
	if !strings.Contains(e.log.String(), "audit=security") {
		e.t.Errorf("no audit record:\n%s", e.log)
	}
	for _, name := range e.files() {
		if !strings.Contains(name, snapshots.StateDir) {
			e.t.Errorf("cached: %s", name)
		}
	}
}

// Everything here carries a good signature by the mirror's key: that is what the log is for.
func TestEvidenceThatContradictsTheLogIsRefused(t *testing.T) {
	l := loggedLog(t)
	s := l.snapshot(nil)
	lib, other := logged[0], logged[1]
	good := l.evidence(s, lib.m)
	for _, test := range []struct {
		name    string
		version content
		change  func(*artifact.Evidence)
		part    string
	}{
		{"zip", content{m: lib.m, text: "evil"}, func(*artifact.Evidence) {}, "zip differs from the checksum database"},
		{"go.mod", content{m: lib.m, comment: "// evil\n"}, func(*artifact.Evidence) {}, "go.mod differs from the checksum database"},
		{"record's ID", lib, func(e *artifact.Evidence) { e.Record = bytes.Replace(e.Record, []byte("0\n"), []byte("1\n"), 1) }, "record 1 is not the one in the signed log"},
		{"record of the evil zip", content{m: lib.m, text: "evil"}, func(e *artifact.Evidence) {
			evil := build(t, content{m: lib.m, text: "evil"})
			genuine := build(t, lib)
			e.Record = bytes.Replace(e.Record, []byte(genuine.Manifest.Sum), []byte(evil.Manifest.Sum), 1)
		}, "is not the one in the signed log"},
		{"tile", lib, func(e *artifact.Evidence) {
			for name, tile := range e.Tiles {
				tile = bytes.Clone(tile)
				tile[100] ^= 1
				e.Tiles = map[string][]byte{name: tile}
			}
		}, "has not the hash it has in the signed log"},
		{"record of another version", lib, func(e *artifact.Evidence) { e.Record = l.evidence(s, other.m).Record }, "is not the one of example.com/lib"},
		{"beyond the head and wrong", content{m: lib.m, text: "evil"}, func(e *artifact.Evidence) {
			e.Record = bytes.Replace(e.Record, []byte("0\n"), []byte("70000\n"), 1)
			e.Tiles = nil
		}, "zip differs"},
	} {
		t.Run(test.name, func(t *testing.T) {
			e := newEnv(t, withLog(l))
			e.mirror(l, s)
			evidence := good
			evidence.Tiles = maps.Clone(good.Tiles)
			test.change(&evidence)
			e.publishWith(test.version, evidence)
			e.wantRefused(lib, test.part)
		})
	}
	t.Run("companion", func(t *testing.T) {
		e := newEnv(t, withLog(l))
		e.mirror(l, s)
		e.publish(content{m: lib.m, text: "evil"})
		check(t, e.store.PublishEvidence(t.Context(), good, e.signer))
		e.wantRefused(lib, "zip differs from the checksum database")
	})
	t.Run("companion by another key", func(t *testing.T) {
		e := newEnv(t, withLog(l))
		e.mirror(l, s)
		e.publish(lib)
		check(t, e.store.PublishEvidence(t.Context(), good, testSigner(t, 1)))
		e.wantRefused(lib, "SECURITY: ")
	})
}

// forge publishes s with one layer replaced, signed.
func (e *env) forge(s *sumdb.Snapshot, mediaType string, change func([]byte) []byte) {
	e.t.Helper()
	ctx, repo := e.t.Context(), s.Log().Repository()
	img, err := s.Pack()
	check(e.t, err)
	var m ocispec.Manifest
	check(e.t, json.Unmarshal(img.Raw, &m))
	for i, b := range img.Blobs {
		if b.Descriptor.MediaType == mediaType {
			rc, err := b.Open()
			check(e.t, err)
			var data bytes.Buffer
			_, err = data.ReadFrom(rc)
			check(e.t, err)
			b = artifact.NewBlob(mediaType, change(data.Bytes()))
			m.Layers[i-1] = b.Descriptor
			if i == 1 {
				m.Layers[0].Data = change(data.Bytes())
			}
		}
		check(e.t, e.store.PushBlob(ctx, repo, b))
	}
	raw, err := json.Marshal(m)
	check(e.t, err)
	d := artifact.NewBlob(ocispec.MediaTypeImageManifest, raw).Descriptor
	check(e.t, e.store.PushManifest(ctx, repo, d, raw, sumdb.LatestTag))
	e.signManifest(ctx, repo, d)
}

func flip(data []byte) []byte {
	data = bytes.Clone(data)
	data[len(data)/2] ^= 1
	return data
}

func TestForgedSnapshotsAreRefused(t *testing.T) {
	l := loggedLog(t)
	s := l.snapshot(l.snapshotAt(300, nil))
	otherKey := func(data []byte) []byte {
		private, _, err := note.GenerateKey(nil, "sums.corp.example/log")
		check(t, err)
		signer, err := note.NewSigner(private)
		check(t, err)
		text, _, _ := bytes.Cut(data, []byte("\n\n"))
		msg, err := note.Sign(&note.Note{Text: string(text) + "\n"}, signer)
		check(t, err)
		return msg
	}
	for name, forge := range map[string]func(*env){
		"note":        func(e *env) { e.forge(s, "application/vnd.modferry.sumdb.head.v1", flip) },
		"another key": func(e *env) { e.forge(s, "application/vnd.modferry.sumdb.head.v1", otherKey) },
		"spine chunk": func(e *env) { e.forge(s, "application/vnd.modferry.sumdb.spine.v1", flip) },
		"edge":        func(e *env) { e.forge(s, "application/vnd.modferry.sumdb.edge.v1", flip) },
		"frontier":    func(e *env) { e.forge(s, "application/vnd.modferry.sumdb.frontier.v1", flip) },
		"bytes of blobs": func(e *env) {
			e.publishSnapshot(s)
			e.transport.inject(respond("/blobs/", http.StatusOK, "application/octet-stream", "evil"))
		},
		"unsigned": func(e *env) {
			img, err := s.Pack()
			check(t, err)
			check(t, e.store.PublishSnapshot(t.Context(), img, l.Log, nil, nil))
		},
		"no snapshot": func(e *env) {
			a := build(t, logged[0])
			e.push(a, logged[0].m.Path, "v9.9.9", a.Raw)
			for _, b := range a.Blobs {
				check(t, e.store.PushBlob(t.Context(), l.Repository(), b))
			}
			check(t, e.store.PushManifest(t.Context(), l.Repository(), a.Descriptor, a.Raw, sumdb.LatestTag))
			e.signManifest(t.Context(), l.Repository(), a.Descriptor)
		},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEnv(t, withLog(l))
			e.publishWith(logged[0], l.evidence(s, logged[0].m))
			forge(e)
			e.wantRefused(logged[0], "SECURITY: ")
			for _, path := range []string{"latest", "tile/8/1/000.p/4"} {
				e.want(logURL+path, http.StatusForbidden, "SECURITY: ")
			}
			if _, err := os.Stat(e.handler.sums.files.HeadFile()); err == nil {
				t.Error("the head of a refused snapshot is remembered")
			}
		})
	}
}

func TestAForgedSnapshotDoesNotReplaceAGoodOne(t *testing.T) {
	l := loggedLog(t)
	e := newEnv(t, withLog(l), func(o *Options) { o.Recheck = time.Minute })
	base := l.snapshot(nil)
	e.mirror(l, base, logged...)
	e.client(l, nil).verify(t, logged...)
	e.forge(l.grow(2000).snapshot(base), "application/vnd.modferry.sumdb.spine.v1", flip)
	for range 2 {
		e.clock.advance(time.Hour)
		e.client(l, nil).verify(t, logged...)
		e.want(logURL+"latest", http.StatusOK, "\n1100\n")
		e.restart()
	}
	if !strings.Contains(e.log.String(), "audit=security") {
		t.Errorf("no audit record:\n%s", e.log)
	}
}

// TestRollbackAndForkAreRefused: neither a restart nor the loss of everything but
// the remembered head makes the shim go back.
func TestRollbackAndForkAreRefused(t *testing.T) {
	l := loggedLog(t)
	fork := loggedLog(t)
	fork.salt = "fork"
	fork.grow(1200)
	for name, test := range map[string]struct {
		s    *sumdb.Snapshot
		part string
	}{
		"rollback":      {l.snapshotAt(1000, nil), "the log has fewer records than before"},
		"fork":          {fork.snapshot(nil, head(t, l, 901)), "the log was forked"},
		"fork, smaller": {fork.snapshotAt(1099, nil), "the log has fewer records than before"},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEnv(t, withLog(l))
			l := loggedLog(t)
			l.grow(1150)
			e.mirror(l, l.snapshot(l.snapshotAt(1100, nil)), logged...)
			e.client(l, nil).verify(t, logged[:1]...)
			e.forceSnapshot(test.s)
			e.clock.advance(2 * time.Hour)
			e.client(l, l.note(1150)).verify(t, logged...) // goes on with what it has
			if !strings.Contains(e.log.String(), "audit=security") || !strings.Contains(e.log.String(), test.part) {
				t.Errorf("log:\n%s", e.log)
			}
			e.restart()
			e.client(l, l.note(1150)).verify(t, logged...)

			check(t, os.RemoveAll(filepath.Join(e.handler.sums.files.Dir, "blobs")))
			check(t, e.handler.cache.Drop(logged[0].m))
			e.restart()
			e.want(logURL+"latest", http.StatusForbidden, test.part)
			e.want(libURL+".zip", http.StatusForbidden, test.part)
			e.want(logURL+"supported", http.StatusOK, "")
		})
	}
}

// head returns the signed head of the first n records.
func head(t *testing.T, l *testLog, n int64) sumdb.Head {
	t.Helper()
	h, err := l.OpenHead(l.note(n))
	check(t, err)
	return h
}

func TestADamagedHeadIsNotForgotten(t *testing.T) {
	l := loggedLog(t)
	e := newEnv(t, withLog(l))
	e.mirror(l, l.snapshot(nil), logged...)
	e.askForSnapshot()
	name := e.handler.sums.files.HeadFile()
	for _, data := range []string{"", "go.sum database tree\n5\n"} {
		check(t, os.WriteFile(name, []byte(data), 0o644))
		e.restart()
		e.want(logURL+"latest", http.StatusForbidden, "the remembered tree head is damaged")
		e.want(libURL+".mod", http.StatusForbidden, name[len(name)-20:])
	}
	check(t, os.Remove(name))
	e.restart()
	e.client(l, nil).verify(t, logged...)
}

func TestTwoShimsWithOneDirectoryRememberTheHighestHead(t *testing.T) {
	l := loggedLog(t)
	e := newEnv(t, withLog(l))
	old := l.snapshotAt(1000, nil)
	e.publishSnapshot(old)
	e.askForSnapshot()
	e.publishSnapshot(l.snapshot(old))
	second, url := e.start(e.options)
	e.clock.advance(2 * time.Hour)
	p, err := second.newest(t.Context(), false)
	check(t, err)
	if p.Head().N != 1100 {
		t.Errorf("the second shim at %s has %d records", url, p.Head().N)
	}
	if err := e.handler.sums.files.Remember(t.Context(), old); err == nil || !strings.Contains(err.Error(), "fewer records than before") {
		t.Error("the first shim went back")
	}
	e.want(logURL+"latest", http.StatusOK, "\n1100\n")
}

func TestFilesOfTheSnapshotChangedUnderneathAreFetchedAgain(t *testing.T) {
	l := loggedLog(t)
	e := newEnv(t, withLog(l))
	e.mirror(l, l.snapshot(nil), logged...)
	e.client(l, nil).verify(t, logged...)
	files := slices.DeleteFunc(e.files(), func(name string) bool {
		return !strings.Contains(name, "tile") && !strings.Contains(name, "blobs")
	})
	if len(files) < 6 {
		t.Fatalf("files: %v", files)
	}
	for _, damage := range []func(string) error{
		os.Remove,
		func(name string) error { return os.WriteFile(name, []byte("evil"), 0o644) },
		func(name string) error {
			data, err := os.ReadFile(name)
			check(t, err)
			return os.WriteFile(name, flip(data), 0o644)
		},
	} {
		for _, name := range files {
			if strings.Contains(name, "tile") {
				check(t, damage(name))
			}
		}
		e.clock.advance(snapshotRetry)
		e.client(l, nil).verify(t, logged...)
		for _, name := range files {
			check(t, damage(name))
		}
		e.clock.advance(snapshotRetry)
		e.restart()
		e.client(l, nil).verify(t, logged...)
	}
}

func TestATileAskedForWithoutALookupIsFetchedAgain(t *testing.T) {
	l := loggedLog(t)
	e := newEnv(t, withLog(l))
	e.mirror(l, l.snapshot(nil), logged...)
	e.client(l, nil).verify(t, logged...)
	check(t, os.RemoveAll(e.handler.cache.Path("sumdb")))
	e.clock.advance(snapshotRetry)
	e.want(logURL+"tile/8/0/000", http.StatusOK, "")
	e.want(logURL+"tile/8/0/001.p/45", http.StatusOK, "")
}

func TestASnapshotThatComesLaterIsTheJudgeAtTheRecheck(t *testing.T) {
	l := loggedLog(t)
	e := newEnv(t, withLog(l))
	s := l.snapshot(nil)
	evil := content{m: logged[0].m, text: "evil"}
	e.publish(evil)
	e.want(libURL+".zip", http.StatusOK, "PK")
	e.publishSnapshot(s)
	check(t, e.store.PublishEvidence(t.Context(), l.evidence(s, evil.m), e.signer))
	e.clock.advance(time.Hour)
	e.wantRefused(evil, "zip differs from the checksum database")
}

func TestARegistryThatDeniesWhatDoesNotExist(t *testing.T) {
	l := loggedLog(t)
	e := newEnv(t, withLog(l))
	e.publish(logged[0])
	e.transport.inject(func(r *http.Request) (*http.Response, error) {
		if !strings.Contains(r.URL.Path, "/sumdb/") {
			return nil, nil
		}
		return ociError(http.StatusForbidden, "DENIED", "requested access is denied")(r)
	})
	e.want(libURL+".zip", http.StatusOK, "PK")
	e.want(logURL+"latest", http.StatusForbidden, "requested access is denied")

	// But what was there once must not disappear like that.
	e = newEnv(t, withLog(l))
	e.mirror(l, l.snapshot(nil), logged...)
	e.askForSnapshot()
	check(t, os.RemoveAll(filepath.Join(e.handler.sums.files.Dir, "blobs")))
	e.restart()
	e.transport.inject(respond("/sumdb/", http.StatusForbidden, "application/json", `{"errors":[{"code":"DENIED","message":"no"}]}`))
	e.want(libURL+".zip", http.StatusForbidden, "no")
}

func TestAChangedVerifierAsksForTheSnapshotAgain(t *testing.T) {
	l := loggedLog(t)
	e := newEnv(t, withLog(l))
	e.mirror(l, l.snapshot(nil), logged...)
	e.askForSnapshot()
	e.restart(func(o *Options) { o.Verifier = testSigner(t, 1).Verifier() })
	e.want(logURL+"latest", http.StatusForbidden, "SECURITY: ")
	e.restart(func(o *Options) { o.Verifier = sign.SkipVerify{} })
	e.want(logURL+"latest", http.StatusOK, "\n1100\n")
	e.restart(func(o *Options) { o.Verifier = e.signer.Verifier() })
	if got := e.requests(func() { e.client(l, nil).verify(t, logged...) }); len(got) == 0 {
		t.Error("what nobody had signed for was believed")
	}
}
