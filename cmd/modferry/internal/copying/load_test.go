package copying

import (
	"archive/tar"
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/cmd/modferry/internal/command"
	"github.com/modferry/modferry/registry/load"
	"github.com/modferry/modferry/registry/ocilayout"
	"github.com/modferry/modferry/registry/transfer"
	"github.com/modferry/modferry/registry/verify"
)

// An item that waits is counted once, however many volumes have parts of it, and only until it is there.
func TestWhatWaitsIsCountedUntilItIsLoaded(t *testing.T) {
	var out, errs bytes.Buffer
	r := &Report{Out: &out, Err: &errs, Loads: true}
	large, other := transfer.Item{Repository: "example.com/large", Tag: "v1.0.0"}, transfer.Item{Repository: "example.com/other", Tag: "v1.0.0"}
	r.waits(large, []int{2, 3})
	r.waits(other, []int{2})
	r.waits(large, []int{3})
	if r.Counts.Waiting != 2 {
		t.Errorf("%d wait, want 2", r.Counts.Waiting)
	}
	r.Event(transfer.Event{Item: large})
	if err := r.End(nil); err != nil || r.Counts.Waiting != 1 || !strings.Contains(errs.String(), "1 loaded, 0 there already, 1 waiting") {
		t.Errorf("%v, %+v: %s", err, r.Counts, errs.String())
	}
}

// A volume that says too much is refused like one that is damaged.
func TestAVolumeBeyondTheLimitsDoesNotHinderOthers(t *testing.T) {
	large, none := filepath.Join(t.TempDir(), "large.tar"), filepath.Join(t.TempDir(), "none.tar")
	f, err := os.Create(large)
	if err != nil {
		t.Fatal(err)
	}
	w := tar.NewWriter(f)
	layout := `{"imageLayoutVersion":"1.0.0"}`
	err = errors.Join(
		w.WriteHeader(&tar.Header{Name: ocispec.ImageLayoutFile, Mode: 0o444, Size: int64(len(layout)), Format: tar.FormatUSTAR}),
	)
	_, e := w.Write([]byte(layout))
	err = errors.Join(err, e, w.WriteHeader(&tar.Header{Name: ocispec.ImageIndexFile, Mode: 0o444, Size: 1 << 30, Format: tar.FormatUSTAR}), f.Close())
	if err == nil {
		err = os.WriteFile(none, []byte("none"), 0o666)
	}
	if err != nil {
		t.Fatal(err)
	}
	to, err := ocilayout.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer to.Close()
	var out, errs bytes.Buffer
	l := Loads{
		Loader: load.Loader{Destination: to, Checker: verify.Checker{Verifier: sign.SkipVerify{}}},
		Report: &Report{Out: &out, Err: &errs, Loads: true}, Wishes: new(Wishes),
	}
	err = l.Report.End(l.Run(t.Context(), []string{large, none}))
	var exit *command.ExitError
	if !errors.As(err, &exit) || exit.Code != command.ExitRefused || l.Report.Counts.Refused != 2 {
		t.Errorf("%v (%v), %+v: %s", err, errors.Is(err, artifact.ErrLimit), l.Report.Counts, errs.String())
	}
}
