package load_test

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/artifact/artifacttest"
	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/artifact/sign/signtest"
	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/bundle"
	"github.com/modferry/modferry/registry/inventory"
	"github.com/modferry/modferry/registry/load"
	"github.com/modferry/modferry/registry/ocilayout"
	"github.com/modferry/modferry/registry/storetest"
	"github.com/modferry/modferry/registry/transfer"
	"github.com/modferry/modferry/registry/transfer/transfertest"
	"github.com/modferry/modferry/registry/verify"
	"github.com/opencontainers/go-digest"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newLayout(t testing.TB) *registry.Store {
	t.Helper()
	s, err := ocilayout.Open(filepath.Join(t.TempDir(), "store"))
	must(t, err)
	t.Cleanup(func() { must(t, s.Close()) })
	return s
}

// delivery is a store that was written to volumes.
type delivery struct {
	store   *registry.Store
	log     *transfertest.Log
	signer  *sign.Signer
	volumes []string
}

// deliver writes a store with one item of each kind, and a zip of 300 kB in one of them, to tars of a size (0 = one).
func deliver(t testing.TB, volumeSize int64) delivery {
	t.Helper()
	d := delivery{store: newLayout(t), log: transfertest.NewLog(t), signer: signtest.Signer(t, 0)}
	storetest.Publish(t, d.store, artifacttest.FullVersion(t, module.Version{Path: "corp.example/large", Version: "v1.0.0"}, incompressible(300_000)), d.signer)
	transfertest.Everything(t, d.store, d.log, d.signer)
	d.volumes = write(t, d.store, filepath.Join(t.TempDir(), "delivery.tar"), d.signer, bundle.PlanOptions{VolumeSize: volumeSize})
	return d
}

// incompressible returns text that a zip does not make smaller.
func incompressible(n int) string {
	var b strings.Builder
	for x := uint32(1); b.Len() < n; x = x*1664525 + 1013904223 {
		b.WriteByte(byte(x >> 24))
	}
	return b.String()
}

func write(t testing.TB, s *registry.Store, path string, signer *sign.Signer, o bundle.PlanOptions) (volumes []string) {
	t.Helper()
	p, err := bundle.NewPlan(t.Context(), s, transfertest.Items(t, s), o)
	must(t, err)
	must(t, p.Create(t.Context(), path, bundle.WriteOptions{Signer: signer}, func(volume string) { volumes = append(volumes, volume) }))
	return volumes
}

// result is what a load told.
type result struct {
	count  map[registry.Outcome]int
	failed map[string]error
	waits  map[string][]int
	opened int
	faults []error // of volumes
}

func (r result) String() string {
	return fmt.Sprintf("%v, failed %v, waits %v, %v", r.count, r.failed, r.waits, r.faults)
}

// loader returns a loader into a store, and where it tells what it does.
func (d delivery) loader(t testing.TB, to *registry.Store) (*load.Loader, *result) {
	r := &result{count: make(map[registry.Outcome]int), failed: make(map[string]error), waits: make(map[string][]int)}
	return &load.Loader{
		Destination: to,
		Checker:     verify.Checker{Verifier: d.signer.Verifier(), Log: d.log.Log, Private: "corp.example/large"},
		WorkDir:     filepath.Join(t.TempDir(), "work"), TempDir: t.TempDir(),
		Report: func(e transfer.Event) {
			if e.Err != nil {
				r.failed[e.Item.String()] = e.Err
			} else {
				r.count[e.Outcome]++
			}
		},
		Opened: func(string, bundle.Info, []string, error) { r.opened++ },
		Waits:  func(it transfer.Item, volumes []int) { r.waits[it.String()] = volumes },
	}, r
}

func (d delivery) load(t testing.TB, to *registry.Store, volumes ...string) *result {
	t.Helper()
	l, r := d.loader(t, to)
	for _, v := range volumes {
		if err := l.File(t.Context(), v); err != nil {
			r.faults = append(r.faults, err)
		}
	}
	return r
}

// isComplete checks that a store has all that was delivered.
func (d delivery) isComplete(t testing.TB, to *registry.Store) {
	t.Helper()
	if want, got := fmt.Sprint(transfertest.Items(t, d.store)), fmt.Sprint(transfertest.Items(t, to)); got != want {
		t.Errorf("the store has %s, want %s", got, want)
	}
	for _, it := range transfertest.Items(t, d.store) {
		want, _, err := d.store.Manifest(t.Context(), it.Repository, it.Tag)
		must(t, err)
		got, _, err := to.Manifest(t.Context(), it.Repository, it.Tag)
		if err != nil || got.Digest != want.Digest {
			t.Errorf("%v is %s, %v; want %s", it, got.Digest, err, want.Digest)
		}
	}
}

func TestVolumesAreLoadedInAnyOrderAndAgain(t *testing.T) {
	d := deliver(t, 120_000) // smaller than the large zip, which is cut
	if len(d.volumes) < 3 {
		t.Fatalf("%d volumes", len(d.volumes))
	}
	backwards := slices.Clone(d.volumes)
	slices.Reverse(backwards)
	for name, order := range map[string][]string{
		"in order":  d.volumes,
		"backwards": backwards,
		"doubled":   slices.Concat(d.volumes, d.volumes[:1]),
	} {
		t.Run(name, func(t *testing.T) {
			to := newLayout(t)
			l, r := d.loader(t, to)
			for _, v := range order {
				must(t, l.File(t.Context(), v))
			}
			if len(r.failed) > 0 || len(r.waits) == 0 {
				t.Errorf("%v", r)
			}
			d.isComplete(t, to)
			if left, err := os.ReadDir(l.WorkDir); len(left) > 0 {
				t.Errorf("parts are left: %v, %v", left, err)
			}
			again := d.load(t, to, order...)
			if len(again.failed) > 0 || again.count[registry.Published] > 0 || len(again.waits) > 0 {
				t.Errorf("again: %v", again)
			}
		})
	}
}

// requiring is a policy that wants a record of each version.
type requiring struct{ sign.Verifier }

// Rule is that of a trust policy with checksumDatabase: required.
func (r requiring) Rule(path string) sign.Rule {
	rule := r.Verifier.Rule(path)
	if path != "corp.example/large" {
		rule.Records = sign.RecordsRequired
	}
	return rule
}

// The snapshot is in the first volume. What a policy wants a record of is loaded before, and served after.
func TestVolumesAreLoadedInAnyOrderWhereRecordsAreRequired(t *testing.T) {
	d := deliver(t, 200<<10)
	to := newLayout(t)
	l, r := d.loader(t, to)
	l.Checker.Verifier = requiring{l.Checker.Verifier}
	for _, volume := range slices.Backward(d.volumes) {
		must(t, l.File(t.Context(), volume))
	}
	for it, err := range r.failed {
		t.Errorf("%s: %v", it, err)
	}
	d.isComplete(t, to)

	// Nothing else brings a snapshot.
	items := slices.DeleteFunc(transfertest.Items(t, d.store), func(it transfer.Item) bool { return it.Kind() == transfer.Snapshot })
	p, err := bundle.NewPlan(t.Context(), d.store, items, bundle.PlanOptions{})
	must(t, err)
	alone := filepath.Join(t.TempDir(), "alone.tar")
	must(t, p.Create(t.Context(), alone, bundle.WriteOptions{Signer: d.signer}, func(string) {}))
	l, r = d.loader(t, newLayout(t))
	l.Checker.Verifier = requiring{l.Checker.Verifier}
	must(t, l.File(t.Context(), alone))
	repo, err := artifact.Repository(artifacttest.Version.Path)
	must(t, err)
	if err := r.failed[repo+":"+artifacttest.Version.Version]; !errors.Is(err, verify.ErrUnrecorded) {
		t.Errorf("in a bundle without a snapshot: %v", err)
	}
}

// A part that was damaged while it was kept is brought again by its volume.
func TestAKeptPartThatIsDamagedIsBroughtAgain(t *testing.T) {
	d := deliver(t, 120_000)
	to := newLayout(t)
	l, r := d.loader(t, to)
	damaged := false
	for _, v := range d.volumes {
		must(t, l.File(t.Context(), v))
		if parts, err := filepath.Glob(l.WorkDir + "/*"); err == nil && len(parts) > 0 && !damaged {
			damaged = true
			data, err := os.ReadFile(parts[0])
			must(t, err)
			data[0] ^= 1
			must(t, os.WriteFile(parts[0], data, 0o666))
		}
	}
	if err := r.failed["corp.example/large:v1.0.0"]; !errors.Is(err, registry.ErrCorrupt) {
		t.Errorf("%v", r)
	}
	clear(r.failed)
	for _, v := range d.volumes {
		must(t, l.File(t.Context(), v))
	}
	if len(r.failed) > 0 {
		t.Errorf("%v", r)
	}
	d.isComplete(t, to)
}

func TestAPipeIsLoaded(t *testing.T) {
	d := deliver(t, 0)
	data, err := os.ReadFile(d.volumes[0])
	must(t, err)
	to := newLayout(t)
	l, r := d.loader(t, to)
	must(t, l.Pipe(t.Context(), "-", struct{ *bytes.Buffer }{bytes.NewBuffer(data)}))
	if len(r.failed) > 0 {
		t.Errorf("%v", r)
	}
	d.isComplete(t, to)
	if left, err := os.ReadDir(l.TempDir); err != nil || len(left) > 0 {
		t.Errorf("%v is left, %v", left, err)
	}
}

func TestADryRunWritesNothing(t *testing.T) {
	d := deliver(t, 0)
	to := newLayout(t)
	l, r := d.loader(t, to)
	l.DryRun = true
	must(t, l.File(t.Context(), d.volumes[0]))
	if want := map[registry.Outcome]int{registry.Published: len(transfertest.Items(t, d.store))}; !maps.Equal(r.count, want) {
		t.Errorf("%v, want %v", r, want)
	}
	for repo, err := range to.Repositories(t.Context()) {
		if !errors.Is(err, registry.ErrNoLayout) {
			t.Errorf("there is %s, %v", repo, err)
		}
	}
}

// Of a damaged volume everything else is loaded, and each version that lacks is named.
func TestDamageIsNamedAndTheRestLoaded(t *testing.T) {
	d := deliver(t, 0)
	whole, err := os.ReadFile(d.volumes[0])
	must(t, err)
	for name, test := range map[string]struct {
		damage func([]byte) []byte
		failed int // items
		fault  bool
	}{
		"a flipped byte in a zip": {func(b []byte) []byte {
			b[bytes.Index(b, []byte(incompressible(300_000)[:64]))+9] ^= 1
			return b
		}, 1, false},
		"cut off":                  {func(b []byte) []byte { return b[:len(b)-6_000] }, 2, false},
		"cut off in its beginning": {func(b []byte) []byte { return b[:3_000] }, 0, true},
		"a flipped byte in its list of files": {func(b []byte) []byte {
			b[bytes.Index(b, []byte(`{"repository":`))+20] ^= 1
			return b
		}, 0, true},
		"something behind it": {func(b []byte) []byte { return append(b, "more"...) }, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "damaged.tar")
			must(t, os.WriteFile(file, test.damage(bytes.Clone(whole)), 0o666))
			to := newLayout(t)
			r := d.load(t, to, file)
			if (len(r.faults) > 0) != test.fault || len(r.failed) < min(test.failed, 1) || test.fault && !errors.Is(r.faults[0], registry.ErrCorrupt) {
				t.Fatalf("%v", r)
			}
			for it, err := range r.failed {
				if !errors.Is(err, registry.ErrCorrupt) {
					t.Errorf("%s: %v", it, err)
				}
			}
			r = d.load(t, to, d.volumes...) // a good copy brings the rest
			if len(r.failed) > 0 {
				t.Errorf("%v", r)
			}
			d.isComplete(t, to)
		})
	}
}

// A well-formed bundle may carry anything. What nobody trusted has signed stays outside.
func TestWhatIsNotSignedIsRefused(t *testing.T) {
	trusted, stranger := signtest.Signer(t, 0), signtest.Signer(t, 1)
	from := newLayout(t)
	good, unsigned, foreign := module.Version{Path: "corp.example/good", Version: "v1.0.0"},
		module.Version{Path: "corp.example/unsigned", Version: "v1.0.0"}, module.Version{Path: "corp.example/foreign", Version: "v1.0.0"}
	storetest.Publish(t, from, artifacttest.FullVersion(t, good, "good"), trusted)
	storetest.Publish(t, from, artifacttest.FullVersion(t, unsigned, "bad"), nil)
	storetest.Publish(t, from, artifacttest.FullVersion(t, foreign, "bad"), stranger)
	// A signed manifest under the tag of another version.
	m, err := from.Find(t.Context(), good)
	must(t, err)
	must(t, from.PushManifest(t.Context(), "corp.example/good", m.Descriptor, m.Raw, "v9.0.0"))
	d := delivery{store: from, log: transfertest.NewLog(t), signer: trusted}
	d.volumes = write(t, from, filepath.Join(t.TempDir(), "b.tar"), stranger, bundle.PlanOptions{})
	to := newLayout(t)
	r := d.load(t, to, d.volumes...)
	if got := slices.Sorted(maps.Keys(r.failed)); fmt.Sprint(got) != "[corp.example/foreign:v1.0.0 corp.example/good:v9.0.0 corp.example/unsigned:v1.0.0]" {
		t.Errorf("%v", r)
	}
	for it, err := range r.failed {
		if !verify.Classify(err).IsRefusal() {
			t.Errorf("%s: %v", it, err)
		}
	}
	if got := fmt.Sprint(transfertest.Items(t, to)); got != "[corp.example/good:v1.0.0]" {
		t.Errorf("the store has %s", got)
	}
}

func TestTwoLoadsAtOnce(t *testing.T) {
	d := deliver(t, 0)
	to := newLayout(t)
	results := make(chan *result)
	for range 2 {
		go func() { results <- d.load(t, to, d.volumes...) }()
	}
	for range 2 {
		if r := <-results; len(r.failed) > 0 || len(r.faults) > 0 {
			t.Errorf("%v", r)
		}
	}
	d.isComplete(t, to)
}

// A differential bundle builds upon what the other side said it has. Where that is not, nothing is pushed.
func TestADifferentialBundleNeedsItsBase(t *testing.T) {
	d := deliver(t, 0)
	inside := newLayout(t)
	d.load(t, inside, d.volumes...)
	base := inventoryOf(t, inside)
	added := module.Version{Path: "corp.example/large", Version: "v1.1.0"}
	storetest.Publish(t, d.store, artifacttest.FullVersion(t, added, "new"), d.signer)
	more := write(t, d.store, filepath.Join(t.TempDir(), "more.tar"), d.signer, bundle.PlanOptions{Base: base})

	elsewhere := newLayout(t)
	r := d.load(t, elsewhere, more...)
	if len(r.faults) != 1 || !errors.Is(r.faults[0], load.ErrNoBase) || !strings.Contains(r.faults[0].Error(), "corp.example/lib_u:v1.2.3") {
		t.Errorf("%v", r)
	}
	if _, err := elsewhere.Find(t.Context(), added); !errors.Is(err, registry.ErrNoLayout) {
		t.Errorf("something was pushed: %v", err)
	}
	r = d.load(t, inside, more...)
	if len(r.faults) > 0 || len(r.failed) > 0 || r.count[registry.Published] != 1 {
		t.Errorf("%v", r)
	}
	d.isComplete(t, inside)
}

// What moves may have moved on since the inventory was written: two bundles for one inventory come in any order.
func TestADifferentialBundleMayComeAfterALaterOne(t *testing.T) {
	d := deliver(t, 0)
	inside := newLayout(t)
	d.load(t, inside, d.volumes...)
	base := inventoryOf(t, inside)
	added := artifacttest.ModOnlyVersion(t, artifacttest.Later("v1.6.0"))
	storetest.Publish(t, d.store, added, d.signer)
	monday := write(t, d.store, filepath.Join(t.TempDir(), "monday.tar"), d.signer, bundle.PlanOptions{Base: base})
	later := artifacttest.ModOnlyVersion(t, artifacttest.Later("v1.7.0"))
	lookups := [][]byte{d.log.Record(t, added.Manifest), d.log.Record(t, later.Manifest)}
	d.log.Grow(t, 300, d.store, d.signer)
	storetest.Publish(t, d.store, later, d.signer)
	must(t, d.store.PublishEvidence(t.Context(), d.log.Evidence(t, added.Manifest, lookups[0]), d.signer))
	must(t, d.store.PublishEvidence(t.Context(), d.log.Evidence(t, later.Manifest, lookups[1]), d.signer))
	must(t, d.store.PublishRevision(t.Context(), artifact.Revision{Path: artifacttest.Version.Path, Name: "main", Version: "v1.7.0"}, d.signer))
	must(t, d.store.PublishIndex(t.Context(), []string{"corp.example/large"}, d.signer))
	tuesday := write(t, d.store, filepath.Join(t.TempDir(), "tuesday.tar"), d.signer, bundle.PlanOptions{Base: base})
	for _, volumes := range [][]string{tuesday, monday} {
		if r := d.load(t, inside, volumes...); len(r.faults) > 0 || len(r.failed) > 0 {
			t.Errorf("%v", r)
		}
	}
	d.isComplete(t, inside)
}

func inventoryOf(t testing.TB, s *registry.Store) *inventory.Inventory {
	t.Helper()
	var text bytes.Buffer
	w := inventory.NewWriter(&text, inventory.Text)
	broken, err := (&inventory.Lister{Store: s}).Each(t.Context(), w.Add)
	must(t, errors.Join(append(broken, err)...))
	_, err = w.Close()
	must(t, err)
	inv, err := inventory.Parse(&text)
	must(t, err)
	return inv
}

func TestAFullDiskEndsTheLoadAndLosesNothing(t *testing.T) {
	d := deliver(t, 0)
	to := newLayout(t)
	disk := transfertest.NewFullDisk(to, 20)
	l, r := d.loader(t, registry.New(disk))
	if err := l.File(t.Context(), d.volumes[0]); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("%v: %v", err, r)
	}
	for _, it := range transfertest.Items(t, to) { // nothing is visible that is not whole
		_, raw, err := to.Manifest(t.Context(), it.Repository, it.Tag)
		must(t, err)
		if _, err := to.VerifyManifest(t.Context(), it.Repository, sign.Subject{Digest: digest.FromBytes(raw)}, d.signer.Verifier()); err != nil {
			t.Errorf("%v: %v", it, err)
		}
	}
	disk.Left.Store(1000)
	if r := d.load(t, registry.New(disk), d.volumes...); len(r.failed) > 0 || len(r.faults) > 0 {
		t.Errorf("%v", r)
	}
	d.isComplete(t, to)
}

// A volume of another bundle is loaded for what it is: names of files and numbers of volumes mean nothing.
func TestVolumesOfTwoBundlesMixedUp(t *testing.T) {
	a, b := deliver(t, 120_000), deliver(t, 120_000)
	b.log = a.log // which the second one does not have: whatever it says of the log is refused
	to := newLayout(t)
	l, r := a.loader(t, to)
	for n, v := range a.volumes {
		mixed := filepath.Join(t.TempDir(), filepath.Base(b.volumes[n])) // under the other's name
		must(t, os.Rename(v, mixed))
		must(t, l.File(t.Context(), b.volumes[n]))
		must(t, l.File(t.Context(), mixed))
	}
	for it, err := range r.failed {
		if !verify.Classify(err).IsRefusal() {
			t.Errorf("%s: %v", it, err)
		}
	}
	a.isComplete(t, to)
}

// Memory does not grow with the size of what is loaded.
func TestMemoryOfALoad(t *testing.T) {
	signer := signtest.Signer(t, 0)
	from := newLayout(t)
	const versions, size = 16, 4 << 20
	text := incompressible(size)
	for n := range versions {
		m := module.Version{Path: fmt.Sprintf("corp.example/m%d", n), Version: "v1.0.0"}
		storetest.Publish(t, from, artifacttest.FullVersion(t, m, text[n:]), signer)
	}
	d := delivery{store: from, log: transfertest.NewLog(t), signer: signer}
	volumes := write(t, from, filepath.Join(t.TempDir(), "b.tar"), signer, bundle.PlanOptions{})
	to := newLayout(t)
	l, r := d.loader(t, to)
	l.Checker.Private = "corp.example"
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	must(t, l.File(t.Context(), volumes[0]))
	runtime.ReadMemStats(&after)
	if len(r.failed) > 0 {
		t.Errorf("%v", r)
	}
	if n := after.TotalAlloc - before.TotalAlloc; n > versions*size/2 {
		t.Errorf("%d bytes were allocated for %d versions of %d bytes", n, versions, size)
	}
}

// Nor does what is held at a time with the number, but for the names and digests in the list of files.
func TestMemoryOfALoadOfMany(t *testing.T) {
	signer := signtest.Signer(t, 0)
	peak := make(map[int]uint64)
	for _, versions := range []int{20, 200} {
		from := newLayout(t)
		for n := range versions {
			m := module.Version{Path: fmt.Sprintf("corp.example/m%d", n), Version: "v1.0.0"}
			storetest.Publish(t, from, artifacttest.FullVersion(t, m, "text"), signer)
		}
		d := delivery{store: from, log: transfertest.NewLog(t), signer: signer}
		volumes := write(t, from, filepath.Join(t.TempDir(), "b.tar"), signer, bundle.PlanOptions{})
		l, _ := d.loader(t, newLayout(t))
		l.Checker.Private = "corp.example"
		l.Jobs = 4 // in flight, whatever the number is
		loaded := 0
		l.Report = func(e transfer.Event) {
			must(t, e.Err)
			if loaded++; loaded%10 == 0 {
				var now runtime.MemStats
				runtime.GC()
				runtime.ReadMemStats(&now)
				peak[versions] = max(peak[versions], now.HeapAlloc)
			}
		}
		must(t, l.File(t.Context(), volumes[0]))
		if loaded != versions {
			t.Errorf("%d loaded of %d", loaded, versions)
		}
	}
	if more := int64(peak[200]) - int64(peak[20]); more > 180*8<<10 {
		t.Errorf("%d bytes more for 180 versions", more)
	}
}
