//go:build unix

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/mod/module"
	"golang.org/x/sync/errgroup"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/ocilayout"
)

// Directories of so many signed versions, ten of each module.
var scales = []int{5_000, 20_000}

func (b *realBench) scaleDir(n int) string { return filepath.Join(b.dir, fmt.Sprintf("scale-%d", n)) }

// prepareScale fills the directories that are not there.
func (b *realBench) prepareScale() {
	for _, n := range scales {
		dir := b.scaleDir(n)
		if _, err := os.Stat(filepath.Join(dir, "complete")); err != nil {
			b.check(os.RemoveAll(dir))
			b.fillScale(dir, n)
			write(b.t, filepath.Join(dir, "complete"), "")
		}
	}
}

// fillScale publishes n versions of small modules, and lists them in a file.
func (b *realBench) fillScale(dir string, n int) {
	b.check(os.MkdirAll(dir, 0o755))
	signer, err := sign.LoadSigner(b.key(), func() ([]byte, error) { return []byte("bench"), nil })
	b.check(err)
	store, err := ocilayout.Open(filepath.Join(dir, "store"))
	b.check(err)
	var set strings.Builder
	var g errgroup.Group
	g.SetLimit(4)
	for i := range n {
		v := scaleVersion(i)
		fmt.Fprintln(&set, v.Path, v.Version)
		g.Go(func() error {
			at := filepath.Join(dir, fmt.Sprintf("tree%d", i))
			if err := addVersion(at, v.String(), b.sources(v)); err != nil {
				return err
			}
			a, err := artifact.Build(filesOf(b, at, v))
			if err == nil {
				_, err = store.Publish(b.t.Context(), a, registry.PublishOptions{Signer: signer, Recorded: true})
			}
			b.check(os.RemoveAll(at))
			return err
		})
	}
	b.check(g.Wait())
	b.check(store.Close())
	write(b.t, filepath.Join(dir, "all.set"), set.String())
}

func scaleVersion(i int) module.Version {
	return module.Version{Path: fmt.Sprintf("example.com/scale/m%05d", i/10), Version: fmt.Sprintf("v1.%d.0", i%10)}
}

// sources writes the files of a small module.
func (b *realBench) sources(v module.Version) (dir string) {
	dir = b.t.TempDir()
	write(b.t, filepath.Join(dir, "go.mod"), "module "+v.Path+"\n")
	write(b.t, filepath.Join(dir, "m.go"), "package m // "+v.String()+"\n")
	return dir
}

// filesOf returns the files of a version in a tree that addVersion wrote to.
func filesOf(b *realBench, tree string, v module.Version) artifact.Files {
	at := filepath.Join(tree, filepath.FromSlash(v.Path), "@v", v.Version)
	info, err := os.ReadFile(at + ".info")
	b.check(err)
	mod, err := os.ReadFile(at + ".mod")
	b.check(err)
	return artifact.Files{Module: v, Info: info, GoMod: mod, ZipFile: at + ".zip"}
}

// scale measures what is done with many versions.
func (b *realBench) scale(bin binary) {
	r := b.results
	many, list := b.scaleDir(20_000), map[int]float64{}
	store := "oci:" + filepath.Join(many, "store")
	r.record(rowNoOp, bin.name, b.runMirror(bin.path, "off", store, filepath.Join(many, "all.set")).cpu)
	for _, n := range scales {
		cmd := exec.CommandContext(b.t.Context(), bin.path, "list", "--registry", "oci:"+filepath.Join(b.scaleDir(n), "store"))
		out, err := cmd.Output()
		b.check(err)
		if lines := strings.Count(string(out), "\n"); lines != n {
			b.t.Fatalf("list: %d versions instead of %d", lines, n)
		}
		list[n] = cpuTime(cmd.ProcessState)
	}
	r.record(rowListAll, bin.name, list[20_000])
	r.record(rowListLinear, bin.name, list[20_000]/list[5_000])
	s := b.serve(bin.path, b.t.TempDir(), store)
	start := time.Now()
	b.check(get(b.t.Context(), s.ready+"/"+scaleVersion(12_345).Path+"/@v/list"))
	r.record(rowFirstList, bin.name, float64(time.Since(start).Microseconds())/1e3)
	b.stop(s)
}

// mirror publishes the set, from the tree that a shim's cache is, into a namespace of its own, and returns the CPU time.
func (b *realBench) mirror(bin binary, tree string) float64 {
	to := fmt.Sprintf("%s/mirror%d/%s", b.mirrors, time.Now().UnixNano(), bin.name)
	u := b.runMirror(bin.path, tree, to, "testdata/cosign.set")
	b.results.record(rowMirrorSec, bin.name, u.cpu)
	b.results.record(rowMirrorPeak, bin.name, u.peak)
	return u.cpu
}

// runMirror runs a mirror of the versions that are listed in set.
func (b *realBench) runMirror(bin, upstream, store, set string) usage {
	cmd := exec.CommandContext(b.t.Context(), bin, "mirror", "--key", b.key(), "--registry", store, "--upstream", upstream, "--private", "*", set)
	cmd.Env = append(os.Environ(), benchPassword)
	u, out, err := measured(cmd)
	if err != nil {
		b.t.Fatalf("%v: %v\n%s", cmd, err, out)
	}
	return u
}
