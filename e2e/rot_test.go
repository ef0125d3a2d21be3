package e2e

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/opencontainers/go-digest"
	"github.com/rogpeppe/go-internal/testscript"
)

// rot REPOSITORY:TAG manifest|LAYER [removed] changes one byte in the middle of a file of a store, or removes it: of a
// manifest, or of the manifest's layer with that number.
func cmdRot(ts *testscript.TestScript, neg bool, args []string) {
	removed := len(args) == 3 && args[2] == "removed"
	if len(args) != 2 && !removed || neg {
		ts.Fatalf("usage: rot REPOSITORY:TAG manifest|LAYER [removed]")
	}
	repo, tag, _ := strings.Cut(args[0], ":")
	v := openVault(ts, ts.Getenv("STORE"))
	defer v.close()
	d, raw, err := v.Manifest(v.ctx(), repo, tag)
	ts.Check(err)
	if args[1] != "manifest" {
		n, err := strconv.Atoi(args[1])
		ts.Check(err)
		d = parseImage(ts, raw).Layers[n]
	}
	name := blobFile(ts, d.Digest)
	if removed {
		ts.Check(os.Remove(name))
		return
	}
	data, err := os.ReadFile(name)
	ts.Check(err)
	data[len(data)/2] ^= 1
	ts.Check(os.Chmod(name, 0o644))
	ts.Check(os.WriteFile(name, data, 0o644))
}

// blobFile returns the name of the file that has a blob of the store.
func blobFile(ts *testscript.TestScript, d digest.Digest) string {
	if dir, ok := strings.CutPrefix(ts.Getenv("STORE"), "oci:"); ok {
		return filepath.Join(dir, "blobs", d.Algorithm().String(), d.Encoded())
	}
	return filepath.Join(ts.Getenv("REGISTRY_DATA"), "docker", "registry", "v2", "blobs", d.Algorithm().String(), d.Encoded()[:2], d.Encoded(), "data")
}
