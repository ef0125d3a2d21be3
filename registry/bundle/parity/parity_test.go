package parity_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/modferry/modferry/registry/bundle/parity"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// buffer is a file in memory.
type buffer struct{ data []byte }

func (b *buffer) WriteAt(p []byte, at int64) (int, error) {
	if n := int(at) + len(p); n > len(b.data) {
		b.data = append(b.data, make([]byte, n-len(b.data))...)
	}
	return copy(b.data[at:], p), nil
}

func random(t testing.TB, seed uint64, n int) []byte {
	t.Helper()
	data := make([]byte, n)
	_, err := io.ReadFull(rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)}), data)
	must(t, err)
	return data
}

func sidecarOf(t testing.TB, volume []byte, s parity.Share) []byte {
	t.Helper()
	var b buffer
	must(t, parity.Write(t.Context(), bytes.NewReader(volume), int64(len(volume)), s, &b))
	if int64(len(b.data)) != parity.Size(int64(len(volume)), s) {
		t.Errorf("a sidecar of %d bytes, want %d", len(b.data), parity.Size(int64(len(volume)), s))
	}
	return b.data
}

func open(t testing.TB, sidecar []byte) *parity.Sidecar {
	t.Helper()
	s, err := parity.Open(t.Context(), bytes.NewReader(sidecar), int64(len(sidecar)))
	must(t, err)
	return s
}

// repair returns what a damaged volume becomes.
func repair(t testing.TB, volume, sidecar []byte) ([]byte, parity.Damage, error) {
	t.Helper()
	s, err := parity.Open(t.Context(), bytes.NewReader(sidecar), int64(len(sidecar)))
	if err != nil {
		return nil, parity.Damage{}, err
	}
	f, err := os.Create(filepath.Join(t.TempDir(), "repaired"))
	must(t, err)
	defer f.Close()
	d, err := s.Repair(t.Context(), bytes.NewReader(volume), int64(len(volume)), f)
	if err != nil {
		return nil, d, err
	}
	data, err := os.ReadFile(f.Name())
	must(t, err)
	return data, d, nil
}

// wipe returns data with a part of it gone.
func wipe(data []byte, from, n int) []byte {
	data = bytes.Clone(data)
	for i := max(0, from); i < min(len(data), from+n); i++ {
		data[i] ^= 0x55
	}
	return data
}

var sizes = []int{1, 64, 65, 10_240, 1_000_001}

func TestABurstOfTheShareIsRepairedWhereverItIs(t *testing.T) {
	for _, share := range []parity.Share{5, 100, 1000} {
		for i, size := range sizes {
			volume := random(t, uint64(i), size)
			sidecar := sidecarOf(t, volume, share)
			burst := size * int(share) / 1000
			for _, from := range []int{0, 1, size / 3, size - burst} {
				got, d, err := repair(t, wipe(volume, from, burst), sidecar)
				if err != nil || !bytes.Equal(got, volume) || min(burst, size-from) > 0 && d.None() {
					t.Errorf("share %s of %d bytes, burst at %d: %v", share, size, from, err)
				}
			}
		}
	}
}

// Each hit takes a whole block: what bears as many hits as the share of blocks bears them wherever they are.
func TestScatteredLossUpToTheShareOfBlocksIsRepaired(t *testing.T) {
	volume := random(t, 1, 4<<20)
	sidecar := sidecarOf(t, volume, 100)
	s := open(t, sidecar)
	whole, err := s.Check(t.Context(), bytes.NewReader(volume), int64(len(volume)))
	must(t, err)
	hits := whole.Blocks / 10
	block := len(volume) / whole.Blocks
	for round := range 5 {
		damaged, r := bytes.Clone(volume), rand.New(rand.NewPCG(uint64(round), 1))
		for _, i := range r.Perm(whole.Blocks)[:hits] {
			damaged[min(i*block+r.IntN(block), len(volume)-1)] ^= 1
		}
		got, d, err := repair(t, damaged, sidecar)
		if err != nil || !bytes.Equal(got, volume) || len(d.Lost) < hits/2 || len(d.Lost) > hits {
			t.Errorf("%d hits, %d blocks lost: %v", hits, len(d.Lost), err)
		}
	}
}

func TestWhatTheSidecarLosesCountsIntoTheShare(t *testing.T) {
	volume := random(t, 2, 2<<20)
	sidecar := sidecarOf(t, volume, 200)
	whole, all := open(t, sidecar).Records()
	if whole != all || all < 20 {
		t.Fatalf("%d of %d records", whole, all)
	}
	record := len(sidecar) / all
	tenth := len(volume) / 10
	for name, damaged := range map[string][]byte{
		"its beginning":    wipe(sidecar, 0, len(sidecar)/3),
		"its middle":       wipe(sidecar, len(sidecar)/3, len(sidecar)/3),
		"cut off":          sidecar[:len(sidecar)*2/3],
		"its head":         wipe(sidecar, 0, 1),
		"a checksum":       wipe(sidecar, record-1, 1),
		"the first bytes":  sidecar[7:],
		"bytes in between": append(bytes.Clone(sidecar[:record*2+100]), sidecar[record*2+200:]...),
		"bytes inserted":   append(append(bytes.Clone(sidecar[:record*3+50]), "modferry parity1 and more"...), sidecar[record*3+50:]...),
	} {
		got, d, err := repair(t, wipe(volume, 12345, tenth), damaged)
		if err != nil || !bytes.Equal(got, volume) || d.None() {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, d, err := repair(t, wipe(volume, 0, 2*tenth), wipe(sidecar, 0, len(sidecar)/2)); !errors.Is(err, parity.ErrBeyondRepair) || len(d.Lost) == 0 {
		t.Errorf("more than the share: %v", err)
	}
	if _, err := parity.Open(t.Context(), bytes.NewReader(volume), int64(len(volume))); !errors.Is(err, parity.ErrUseless) {
		t.Errorf("no sidecar at all: %v", err)
	}
}

func TestAVolumeThatWasCutOffIsRepaired(t *testing.T) {
	volume := random(t, 3, 1_000_001)
	sidecar := sidecarOf(t, volume, 100)
	for _, n := range []int{len(volume) - 1, len(volume) * 95 / 100, len(volume) * 90 / 100} {
		got, d, err := repair(t, volume[:n], sidecar)
		if err != nil || !bytes.Equal(got, volume) || d.None() {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
	if _, _, err := repair(t, volume[:len(volume)/2], sidecar); !errors.Is(err, parity.ErrBeyondRepair) {
		t.Errorf("half of it: %v", err)
	}
	got, d, err := repair(t, append(bytes.Clone(volume), "what a pipe left"...), sidecar)
	if err != nil || !bytes.Equal(got, volume) || !d.Longer || d.None() {
		t.Errorf("something after the end: %v", err)
	}
	nothing := sidecarOf(t, volume, 1000)
	if got, _, err := repair(t, nil, nothing); err != nil || !bytes.Equal(got, volume) {
		t.Errorf("nothing is left, and the share is all: %v", err)
	}
}

func TestAWholeVolumeNeedsNoRepair(t *testing.T) {
	volume := random(t, 4, 300_000)
	sidecar := sidecarOf(t, volume, 100)
	d, err := open(t, wipe(sidecar, 0, 10)).Check(t.Context(), bytes.NewReader(volume), int64(len(volume)))
	if err != nil || !d.None() {
		t.Errorf("%v, %v", d, err)
	}
}

func TestTheSidecarOfAnotherVolumeIsOfNoUse(t *testing.T) {
	one, two := random(t, 5, 100_000), random(t, 6, 100_000)
	if _, _, err := repair(t, one, sidecarOf(t, two, 100)); !errors.Is(err, parity.ErrBeyondRepair) {
		t.Error(err)
	}
	// Records that are mixed: those of the first one count.
	sidecar := sidecarOf(t, one, 100)
	mixed := append(append(bytes.Clone(sidecar), sidecarOf(t, two, 100)...), sidecar...)
	if got, _, err := repair(t, wipe(one, 500, 9000), mixed); err != nil || !bytes.Equal(got, one) {
		t.Error(err)
	}
}

// scratched is a disc that cannot be read in places.
type scratched struct {
	data     []byte
	from, to int64
}

func (s scratched) ReadAt(p []byte, at int64) (int, error) {
	if at < s.to && at+int64(len(p)) > s.from {
		return 0, errors.New("input/output error")
	}
	return bytes.NewReader(s.data).ReadAt(p, at)
}

func TestWhatCannotBeReadIsLost(t *testing.T) {
	volume := random(t, 7, 1<<20)
	sidecar := sidecarOf(t, volume, 100)
	disc := scratched{volume, 400_000, 450_000}
	s, err := parity.Open(t.Context(), scratched{sidecar, 100, 5000}, int64(len(sidecar)))
	must(t, err)
	f, err := os.Create(filepath.Join(t.TempDir(), "repaired"))
	must(t, err)
	defer f.Close()
	_, err = s.Repair(t.Context(), disc, int64(len(volume)), f)
	must(t, err)
	if got, err := os.ReadFile(f.Name()); err != nil || !bytes.Equal(got, volume) {
		t.Error("it was not repaired", err)
	}
}

// golden is the sidecar of a volume of 5000 bytes for a fifth of it.
const golden = "testdata/volume.parity"

func TestEqualVolumesHaveEqualSidecarsForEver(t *testing.T) {
	want, err := os.ReadFile(golden)
	must(t, err)
	if got := sidecarOf(t, random(t, 10, 5000), 200); !bytes.Equal(got, want) {
		t.Error("the format has changed: media that are written already are of no use")
	}
}

func TestInterruptedWork(t *testing.T) {
	volume := random(t, 9, 100_000)
	sidecar := sidecarOf(t, volume, 100)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := parity.Write(ctx, bytes.NewReader(volume), 100_000, 100, new(buffer)); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if _, err := parity.Open(ctx, bytes.NewReader(sidecar), int64(len(sidecar))); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if _, err := open(t, sidecar).Check(ctx, bytes.NewReader(volume), 100_000); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if err := parity.Write(t.Context(), bytes.NewReader(volume), 100_001, 100, new(buffer)); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a volume that shrank: %v", err)
	}
	if err := parity.Write(t.Context(), bytes.NewReader(nil), 0, 100, new(buffer)); err == nil {
		t.Error("an empty volume has parity")
	}
}

func TestShares(t *testing.T) {
	for text, want := range map[string]parity.Share{"10%": 100, "2.5%": 25, "100%": 1000, "0.1%": 1} {
		if s, err := parity.ParseShare(text); err != nil || s != want || s.String() != text {
			t.Errorf("%s: %s, %v", text, s, err)
		}
	}
	for _, text := range []string{"", "%", "10", "0%", "101%", "-1%", "1e1%", "NaN%", "Inf%", "0.05%", "1.25%", " 10%"} {
		if s, err := parity.ParseShare(text); err == nil {
			t.Errorf("%q: %s", text, s)
		}
	}
}

// holes is a volume of any size that is not kept anywhere.
type holes struct{}

func (holes) ReadAt(p []byte, at int64) (int, error) {
	clear(p)
	for i := (-at) & 4095; i < int64(len(p)); i += 4096 {
		p[i] = byte((at + i) >> 12)
	}
	return len(p), nil
}

// discard takes everything.
type discard struct{}

func (discard) WriteAt(p []byte, _ int64) (int, error) { return len(p), nil }

func TestMemoryDoesNotGrowWithTheVolume(t *testing.T) {
	if testing.Short() {
		t.Skip("it reads half a gigabyte")
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	must(t, parity.Write(t.Context(), holes{}, 256<<20, 100, discard{}))
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > 64<<20 {
		t.Errorf("%d MB were allocated", n>>20)
	}
}

func FuzzOpen(f *testing.F) {
	volume := random(f, 10, 5000)
	sidecar, err := os.ReadFile(golden)
	must(f, err)
	f.Add(sidecar)
	f.Add(wipe(sidecar, 10, 50))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := parity.Open(t.Context(), bytes.NewReader(data), int64(len(data)))
		if err != nil {
			if !errors.Is(err, parity.ErrUseless) {
				t.Error(err)
			}
			return
		}
		d, err := s.Check(t.Context(), bytes.NewReader(volume), int64(len(volume)))
		if whole, all := s.Records(); err != nil || whole < 1 || whole > all || d.Blocks > len(data) {
			t.Errorf("%d of %d records, %d blocks: %v", whole, all, d.Blocks, err)
		}
	})
}
