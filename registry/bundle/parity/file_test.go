package parity_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"

	"github.com/modferry/modferry/registry/bundle/parity"
)

// volumeFile writes a volume with its sidecar.
func volumeFile(t testing.TB, data []byte) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "golang.tar")
	must(t, os.WriteFile(name, data, 0o400))
	size, err := parity.WriteFile(t.Context(), name, 100)
	must(t, err)
	if info, err := os.Stat(name + parity.Extension); err != nil || info.Size() != size {
		t.Errorf("%v, %d bytes", err, size)
	}
	return name
}

func TestMend(t *testing.T) {
	data := random(t, 20, 500_000)
	for name, test := range map[string]struct {
		damage   func(t *testing.T, volume string)
		repaired bool
		err      error
	}{
		"whole":         {damage: func(*testing.T, string) {}},
		"no sidecar":    {damage: func(t *testing.T, v string) { must(t, os.Remove(v+parity.Extension)) }},
		"damaged":       {damage: func(t *testing.T, v string) { rewrite(t, v, wipe(data, 1000, 40_000)) }, repaired: true},
		"cut off":       {damage: func(t *testing.T, v string) { rewrite(t, v, data[:460_000]) }, repaired: true},
		"beyond repair": {damage: func(t *testing.T, v string) { rewrite(t, v, data[:100_000]) }, err: parity.ErrBeyondRepair},
		"useless": {damage: func(t *testing.T, v string) {
			rewrite(t, v, data[:400_000])
			rewrite(t, v+parity.Extension, data)
		}, err: parity.ErrUseless},
	} {
		t.Run(name, func(t *testing.T) {
			volume, work := volumeFile(t, data), filepath.Join(t.TempDir(), "work")
			test.damage(t, volume)
			before, err := os.ReadFile(volume)
			must(t, err)
			m := parity.Mend(t.Context(), volume, work)
			if !errors.Is(m.Err, test.err) || m.Repaired() != test.repaired || !m.Repaired() && m.Path != volume {
				t.Fatalf("%+v", m)
			}
			got, err := os.ReadFile(m.Path)
			if err != nil || m.Repaired() && !bytes.Equal(got, data) {
				t.Errorf("it was not repaired: %v", err)
			}
			must(t, m.Close())
			if after, err := os.ReadFile(volume); err != nil || !bytes.Equal(before, after) {
				t.Error("the volume itself was changed")
			}
			if left, _ := os.ReadDir(work); len(left) > 0 {
				t.Errorf("%v is left", left)
			}
		})
	}
}

func rewrite(t *testing.T, name string, data []byte) {
	t.Helper()
	must(t, os.Remove(name))
	must(t, os.WriteFile(name, data, 0o600))
}

func TestASidecarThatIsWholeIsKept(t *testing.T) {
	data := random(t, 21, 200_000)
	volume := volumeFile(t, data)
	sidecar := volume + parity.Extension
	before, err := os.Stat(sidecar)
	must(t, err)
	_, err = parity.WriteFile(t.Context(), volume, 100)
	must(t, err)
	if after, err := os.Stat(sidecar); err != nil || !os.SameFile(before, after) {
		t.Error("it was written again")
	}
	good, err := os.ReadFile(sidecar)
	must(t, err)
	rewrite(t, sidecar, wipe(good, 5000, 1))
	_, err = parity.WriteFile(t.Context(), volume, 100)
	must(t, err)
	if now, err := os.ReadFile(sidecar); err != nil || !bytes.Equal(now, good) {
		t.Error("a damaged one was kept")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	must(t, os.Remove(sidecar))
	if _, err := parity.WriteFile(ctx, volume, 100); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if left, _ := os.ReadDir(filepath.Dir(volume)); len(left) != 1 {
		t.Errorf("%v is left", left)
	}
}

// Who names a sidecar means its volume.
func TestASidecarNamesItsVolume(t *testing.T) {
	a, b := volumeFile(t, []byte("a")), volumeFile(t, []byte("b"))
	missing := filepath.Join(t.TempDir(), "missing.tar")
	for _, test := range []struct{ names, want []string }{
		{[]string{a + parity.Extension}, []string{a}},
		{[]string{a, a + parity.Extension, b}, []string{a, b}},
		{[]string{a + parity.Extension, b, a}, []string{b, a}},
		{[]string{a + parity.Extension, a + parity.Extension}, []string{a}},
		{[]string{"-", missing + parity.Extension, missing}, []string{"-", missing + parity.Extension, missing}},
	} {
		if got := parity.Volumes(test.names); !slices.Equal(got, test.want) {
			t.Errorf("%v: %v, want %v", test.names, got, test.want)
		}
	}
}

// A sidecar says how large a block is. One that lies takes no more memory than another.
func TestASidecarOfAHugeVolumeTakesLittleMemory(t *testing.T) {
	const size, block = 1 << 40, 64 << 20 // as the package cuts it
	head := append([]byte("modferry parity1"), binary.BigEndian.AppendUint64(nil, size)...)
	head = append(head, make([]byte, sha256.Size)...)
	head = binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(head, 1), 0)
	check := sha256.Sum256(head)
	head = append(head, check[:]...)
	head = append(head, make([]byte, size/block*8)...)
	f, err := os.Create(filepath.Join(t.TempDir(), "sidecar"))
	must(t, err)
	defer f.Close()
	sum := sha256.New()
	sum.Write(head)
	_, err = io.CopyN(sum, zeros{}, block)
	must(t, err)
	end := int64(len(head)) + block
	must(t, f.Truncate(end))
	_, err = f.WriteAt(head, 0)
	must(t, err)
	_, err = f.WriteAt(sum.Sum(nil), end)
	must(t, err)

	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	sidecar, err := parity.Open(t.Context(), f, end+sha256.Size)
	must(t, err)
	damage, err := sidecar.Check(t.Context(), bytes.NewReader(nil), 0)
	must(t, err)
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > 16<<20 || len(damage.Lost) != size/block {
		t.Errorf("%d bytes were allocated; lost: %d blocks", n, len(damage.Lost))
	}
}

// zeros reads as zeros.
type zeros struct{}

// Read never ends.
func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func TestAVolumeFitsTogetherWithItsSidecar(t *testing.T) {
	for _, total := range []int64{0, 100, 10_000, 1 << 20, 650 << 20, 4_700_000_000} {
		for _, share := range []parity.Share{1, 100, 1000} {
			size := parity.Fit(total, share)
			if size > 0 && size+parity.Size(size, share) > total {
				t.Errorf("%d bytes for %s: a volume of %d", total, share, size)
			}
			if total > 1<<20 && share == 100 && size < total*85/100 {
				t.Errorf("of %d bytes only %d are used", total, size)
			}
		}
	}
}
