package parity_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/modferry/modferry/registry/bundle/parity"
)

// BenchmarkWrite writes the sidecar of a volume of 256 MB in a file, for a tenth of it.
func BenchmarkWrite(b *testing.B) {
	dir := b.TempDir()
	volume, err := os.Create(filepath.Join(dir, "volume"))
	must(b, err)
	defer volume.Close()
	const size = 256 << 20
	for at := int64(0); at < size; at += 1 << 20 {
		_, err := volume.WriteAt(random(b, uint64(at>>20), 1<<20), at)
		must(b, err)
	}
	b.SetBytes(size)
	for b.Loop() {
		sidecar, err := os.Create(filepath.Join(dir, "sidecar"))
		must(b, err)
		must(b, parity.Write(b.Context(), volume, size, 100, sidecar))
		must(b, sidecar.Close())
	}
}

// BenchmarkRepair repairs a volume of 64 MB that lost a tenth.
func BenchmarkRepair(b *testing.B) {
	volume := random(b, 1, 64<<20)
	sidecar := sidecarOf(b, volume, 100)
	damaged := wipe(volume, 1<<20, len(volume)/10)
	b.SetBytes(int64(len(volume)))
	for b.Loop() {
		_, _, err := repair(b, damaged, sidecar)
		must(b, err)
	}
}
