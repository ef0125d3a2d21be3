//go:build unix

package e2e

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/mod/semver"
	"golang.org/x/sync/errgroup"
)

// round measures everything once.
func (b *realBench) round(binaries []binary) {
	r := b.results
	raw := b.raw()
	cpu, mirrorCPU, caches := map[string]float64{}, map[string]float64{}, map[string]string{}
	for _, bin := range binaries {
		caches[bin.name] = b.t.TempDir()
		cpu[bin.name] = b.cold(bin, caches[bin.name], raw)
	}
	f := b.floors(caches["now"], raw)
	file, goCPU := b.download("file://" + caches["now"])
	r.record(rowDownload, "floor", max(file, (goCPU+f.served)/float64(runtime.NumCPU()))/file)
	for _, bin := range binaries {
		b.warm(bin, caches[bin.name])
		fresh := b.t.TempDir()
		s := b.serve(bin.path, fresh)
		took, _ := b.download(s.ready)
		r.record(rowDownload, bin.name, took/file)
		b.stop(s)
		b.check(os.RemoveAll(fresh))
		mirrorCPU[bin.name] = b.mirror(bin, caches["now"])
		b.scale(bin)
	}
	if old := cpu["old"]; old > 0 {
		r.record(rowColdCPU, "now", cpu["now"]/old)
		r.record(rowColdCPU, "floor", f.shimCPU/old)
	}
	if old := mirrorCPU["old"]; old > 0 {
		r.record(rowMirrorCPU, "now", mirrorCPU["now"]/old)
		r.record(rowMirrorCPU, "floor", f.mirrorCPU/old)
	}
	for _, dir := range caches {
		b.check(os.RemoveAll(dir))
	}
}

// cold has an empty shim asked for everything, and then a started one for what is in its cache. It returns the first
// one's CPU time.
func (b *realBench) cold(bin binary, cache string, raw rawGETs) float64 {
	s := b.serve(bin.path, cache)
	mod := b.get(s.ready, b.versions, ".mod")
	zip := b.get(s.ready, b.full(), ".info", ".zip")
	b.results.record(rowCold, bin.name, (mod+zip)/(raw.manifests+raw.blobs))
	b.results.record(rowMod, bin.name, mod/raw.manifests)
	u := b.stop(s)
	b.results.record(rowColdSeconds, bin.name, u.cpu)
	b.results.record(rowColdPeak, bin.name, u.peak)

	s = b.serve(bin.path, cache)
	b.get(s.ready, b.versions, ".mod")
	b.results.record(rowWarmPeak, bin.name, b.stop(s).peak)
	return u.cpu
}

// warm compares a shim that has everything in cache with a static file server of that cache: the latter answers @latest
// with the .info that the shim sends, too, and the floor is net/http with a constant of that size.
func (b *realBench) warm(bin binary, cache string) {
	s := b.serve(bin.path, cache)
	for _, ext := range []string{".mod", ".info", ".zip", "list"} {
		b.get(s.ready, b.full(), ext)
	}
	b.stop(s) // which brings to disk what it has
	s, files := b.serve(bin.path, cache), b.serveFiles(cache)
	for _, row := range warmRows {
		var asked [3][]string // of the shim, of the static server, and what that answers without a file
		status := http.StatusOK
		for _, v := range b.full() {
			ask, file := v.base+row.ext, v.base+row.ext
			switch row.ext {
			case "list":
				ask = path.Dir(v.base) + "/list"
				file = ask
			case "latest":
				ask, file = path.Dir(path.Dir(v.base))+"/@latest", v.base+".info"
			case ".404":
				ask, status = path.Dir(v.base)+"/"+absentVersion(v)+".info", http.StatusNotFound
				file = ask
			}
			fi, err := os.Stat(filepath.Join(cache, file))
			if err != nil && status == http.StatusOK {
				continue // the list of a module that has but pseudo-versions
			}
			asked[0], asked[1] = append(asked[0], s.ready+ask), append(asked[1], files.ready+file)
			size := int64(len("404 page not found\n"))
			if err == nil {
				size = fi.Size()
			}
			asked[2] = append(asked[2], fmt.Sprintf("%s/-/constant/%d", files.ready, size))
		}
		var took [3]float64
		for n := range row.repeat + 1 {
			for i := range asked {
				i = (i + n) % len(asked) // each is first in its turn
				want := status
				if i == 2 {
					want = http.StatusOK
				}
				if t := b.fetch(asked[i], wantStatus(want)); n > 0 { // the first time, for the caches of all
					took[i] += t
				}
			}
		}
		b.results.record(row.row, bin.name, took[0]/took[1])
		if bin.name == "now" {
			b.results.record(row.row, "floor", took[2]/took[1])
		}
	}
	b.stop(s)
	b.stop(files)
}

// absentVersion returns a version of a module that nobody has published.
func absentVersion(v realVersion) string {
	absent := semver.Major(v.Version.Version) + ".404.404"
	if strings.HasSuffix(v.Version.Version, "+incompatible") {
		absent += "+incompatible"
	}
	return absent
}

// warmRows are what is asked of a warm shim: the full versions' files of that extension, so often.
var warmRows = []struct {
	row, ext string
	repeat   int
}{
	{rowInfo, ".info", 36}, {rowWarmMod, ".mod", 36}, {rowList, "list", 36}, {rowLatest, "latest", 36}, {rowAbsent, ".404", 36}, {rowZip, ".zip", 6},
}

// rawGETs is what it takes to get, without a shim, what it has to read: seconds, and CPU time.
type rawGETs struct {
	manifests, blobs     float64
	ofManifests, ofBlobs work
}

// raw gets what a shim has to read, checking digests.
func (b *realBench) raw() (r rawGETs) {
	var manifests, blobs []string
	for _, v := range b.versions {
		manifests = append(manifests, v.manifest, v.signature)
		if v.blob != "" {
			blobs = append(blobs, v.blob)
		}
	}
	r.ofManifests = b.work(func() { r.manifests = b.fetch(manifests, getHashed) })
	r.ofBlobs = b.work(func() { r.blobs = b.fetch(blobs, getHashed) })
	return r
}

// get gets files from a proxy.
func (b *realBench) get(proxy string, versions []realVersion, exts ...string) (seconds float64) {
	var urls []string
	for _, v := range versions {
		for _, ext := range exts {
			if ext == "list" {
				urls = append(urls, proxy+path.Dir(v.base)+"/list")
				continue
			}
			urls = append(urls, proxy+v.base+ext)
		}
	}
	return b.fetch(urls, get)
}

// fetch gets URLs, some at a time.
func (b *realBench) fetch(urls []string, get func(context.Context, string) error) (seconds float64) {
	start := time.Now()
	g, ctx := errgroup.WithContext(b.t.Context())
	g.SetLimit(benchClients)
	for _, url := range urls {
		g.Go(func() error { return get(ctx, url) })
	}
	b.check(g.Wait())
	return time.Since(start).Seconds()
}

// wantStatus returns a get that wants an answer of that status.
func wantStatus(status int) func(context.Context, string) error {
	return func(ctx context.Context, url string) error {
		_, err := getInto(ctx, url, status, io.Discard)
		return err
	}
}

// getHashed is get, with the digest that the registry states, as it must, checked.
func getHashed(ctx context.Context, url string) error {
	h := sha256.New()
	header, err := getInto(ctx, url, http.StatusOK, h)
	if err != nil {
		return err
	}
	if want := header.Get("Docker-Content-Digest"); want != fmt.Sprintf("sha256:%x", h.Sum(nil)) {
		return fmt.Errorf("GET %s: digest %s", url, cmp.Or(want, "missing"))
	}
	return nil
}

// download runs "go mod download" in the project, with an empty module cache. It returns how long that took, and its CPU
// time.
func (b *realBench) download(proxy string) (seconds, cpu float64) {
	modcache := b.t.TempDir()
	cmd := exec.CommandContext(b.t.Context(), "go", "mod", "download")
	cmd.Dir = filepath.Join(b.dir, "project")
	cmd.Env = append(os.Environ(), "GOPROXY="+proxy, "GOMODCACHE="+modcache, "GOFLAGS=-modcacherw", "GOWORK=off",
		"GOTOOLCHAIN=local", "GONOPROXY=", "GOPRIVATE=", "GOSUMDB=off")
	start := time.Now()
	if out, err := cmd.CombinedOutput(); err != nil {
		b.t.Fatalf("go mod download from %s: %v\n%s", proxy, err, out)
	}
	seconds = time.Since(start).Seconds()
	b.check(os.RemoveAll(modcache))
	return seconds, cpuTime(cmd.ProcessState)
}

// What is measured, and the target of each.
const (
	rowCold        = "cold session ÷ raw GETs, wall | ≤ 2.2"
	rowColdCPU     = "shim, cold session, CPU ÷ old | ≤ 0.5"
	rowColdSeconds = "the same in seconds | "
	rowMod         = "cold .mod phase ÷ raw GETs of manifests and signatures | ≤ 1.4"
	rowDownload    = "go mod download, cold shim ÷ file:// | ≤ 1.2"
	rowColdPeak    = "shim, cold session, peak memory (MB) | ≤ 56"
	rowWarmPeak    = "shim after the warm .mod load, peak memory (MB) | ≤ 36"
	rowInfo        = "warm .info ÷ static Go file server | ≤ 0.85"
	rowWarmMod     = "warm .mod ÷ static Go file server | ≤ 0.85"
	rowList        = "warm list ÷ static Go file server | ≤ 0.85"
	rowLatest      = "warm latest ÷ static Go file server, .info | ≤ 0.85"
	rowAbsent      = "warm 404 ÷ static Go file server | ≤ 0.85"
	rowZip         = "warm .zip ÷ static Go file server | ≤ 1.0"
	rowMirrorCPU   = "mirror of the set into distribution, CPU ÷ old | ≤ 0.6"
	rowMirrorSec   = "the same in seconds  | "
	rowMirrorPeak  = "mirror of the set, peak memory (MB) | ≤ 64"
	rowNoOp        = "no-op mirror, 20,000 versions, oci:, CPU (s) | ≤ 9"
	rowListAll     = "list, 20,000 versions, oci:, CPU (s) | ≤ 0.3"
	rowListLinear  = "list, CPU at 20,000 ÷ at 5,000 versions | ≤ 4 (linear)"
	rowFirstList   = "first @v/list of a shim, 20,000 versions, oci: (ms) | ≤ 100"
	rowRaw         = "raw GETs (s) | "
)

var allRows = []string{
	rowRaw, rowCold, rowColdCPU, rowColdSeconds, rowMod, rowDownload, rowColdPeak, rowWarmPeak, rowMirrorCPU, rowMirrorSec, rowMirrorPeak, rowNoOp,
	rowListAll, rowListLinear, rowFirstList, rowInfo, rowWarmMod, rowList, rowLatest, rowAbsent, rowZip,
}

// results are the numbers of all rounds, by row and column.
type results map[string]map[string][]float64

func (r results) record(row, column string, value float64) {
	if r[row] == nil {
		r[row] = make(map[string][]float64)
	}
	r[row][column] = append(r[row][column], value)
}

// print prints a table in Markdown; what was measured in no column is a dash.
func (r results) print(w io.Writer) {
	fmt.Fprintln(w, "| measure | target | old | now | floor |\n|---|---|---|---|---|")
	for _, row := range allRows {
		fmt.Fprintf(w, "| %s | %s | %s | %s |\n", row, r.median(row, "old", false), r.median(row, "now", true), r.median(row, "floor", false))
	}
	fmt.Fprintln(w, "\n| piece of a floor | |\n|---|---|")
	for _, piece := range slices.Sorted(maps.Keys(r)) {
		if r[piece]["piece"] != nil {
			fmt.Fprintf(w, "| %s | %s |\n", piece, r.median(piece, "piece", true))
		}
	}
}

func (r results) median(row, column string, span bool) string {
	v := slices.Sorted(slices.Values(r[row][column]))
	if len(v) == 0 {
		return "–"
	}
	text := fmt.Sprintf("%.2f", v[len(v)/2])
	if span && len(v) > 1 {
		text += fmt.Sprintf(" (%.2f–%.2f)", v[0], v[len(v)-1])
	}
	return text
}
