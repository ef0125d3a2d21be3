package e2e

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// rot REPOSITORY:TAG manifest|LAYER changes one byte in the middle of a file of an oci: store: of a manifest, or of
// the manifest's layer with that number.
func cmdRot(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 || neg {
		ts.Fatalf("usage: rot REPOSITORY:TAG manifest|LAYER")
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
	dir := strings.TrimPrefix(ts.Getenv("STORE"), "oci:")
	name := filepath.Join(dir, "blobs", d.Digest.Algorithm().String(), d.Digest.Encoded())
	data, err := os.ReadFile(name)
	ts.Check(err)
	data[len(data)/2] ^= 1
	ts.Check(os.Chmod(name, 0o644))
	ts.Check(os.WriteFile(name, data, 0o644))
}
