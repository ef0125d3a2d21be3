package snapshots

import (
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/modferry/modferry/artifact/sumdb"
	"github.com/modferry/modferry/proxyshim/cache"
)

func TestPartsOfTheSnapshotAreReadFromDisk(t *testing.T) {
	c, err := cache.New(cache.Options{Dir: t.TempDir(), Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	log, err := sumdb.ParseLog(sumdb.DefaultLog)
	if err != nil {
		t.Fatal(err)
	}
	f := Open(c, log)
	d := ocispec.Descriptor{Digest: digest.FromString("0123456789")}
	p := make([]byte, 4)
	if err := f.part(d, p, 3); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("of a blob that is not there: error %v, want %v", err, fs.ErrNotExist)
	}
	if err := c.WriteFile(f.blobFile(d.Digest), []byte("0123456789"), false); err != nil {
		t.Fatal(err)
	}
	if err := f.part(d, p, 3); err != nil || string(p) != "3456" {
		t.Errorf("%q, error %v, want what is there", p, err)
	}
	if err := f.part(d, p, 8); err != io.EOF {
		t.Errorf("beyond the end: error %v, want %v", err, io.EOF)
	}
}
