package bundle

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact/artifacttest"
	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/artifact/sign/signtest"
	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/inventory"
	"github.com/modferry/modferry/registry/storetest"
)

// inventoryOf returns what a store has now.
func inventoryOf(t testing.TB, s *registry.Store) *inventory.Inventory {
	t.Helper()
	var out bytes.Buffer
	w := inventory.NewWriter(&out, inventory.Text)
	broken, err := (&inventory.Lister{Store: s}).Each(t.Context(), w.Add)
	must(t, err)
	if len(broken) > 0 {
		t.Fatal(broken)
	}
	_, err = w.Close()
	must(t, err)
	inv, err := inventory.Parse(&out)
	must(t, err)
	return inv
}

func names(v *Volume) (names []string) {
	for _, it := range v.Items() {
		names = append(names, it.String())
	}
	return names
}

func TestADifferentialHasWhatTheBaseLacksAndNamesTheRest(t *testing.T) {
	signer, second := signtest.Signer(t, 0), signtest.Signer(t, 1)
	s := filled(t, signer)
	base := inventoryOf(t, s)
	all := items(t, s)

	newer := artifacttest.Later("v1.3.0")
	storetest.Publish(t, s, fullVersion(t, newer, "newer"), signer)
	grow(t, s, 900, nil, signer)
	if out := storetest.Publish(t, s, fullVersion(t, artifacttest.Version, "text"), second); out != registry.SignatureAdded {
		t.Fatal(out)
	}
	p := newPlan(t, s, PlanOptions{Base: base})
	v, err := openBytes(tarOf(t, p, 1, WriteOptions{}), Options{})
	must(t, err)
	want := []string{
		"sumdb/sums.corp.example/log:head-900", "sumdb/sums.corp.example/log:latest",
		"corp.example/lib_u:v1.2.3", "corp.example/lib_u:v1.3.0",
	}
	if got := names(v); !slices.Equal(got, want) {
		t.Errorf("in the bundle are\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if info := v.Info(); info.Base != base.Digest() || info.Omitted != len(v.Omitted()) || p.Omitted() != info.Omitted {
		t.Errorf("it says of itself %+v", info)
	}
	var omitted []string
	for _, it := range v.Omitted() {
		omitted = append(omitted, it.String())
		if d, _, err := s.Manifest(t.Context(), it.Repository, it.Tag); err != nil || d.Digest != it.Descriptor.Digest {
			t.Errorf("%v is said to be %s: %v", it, it.Descriptor.Digest, err)
		}
	}
	for _, it := range all {
		if slices.Contains(want, it.String()) == slices.Contains(omitted, it.String()) {
			t.Errorf("%v is in the bundle, or else it must be named as omitted", it)
		}
	}
	if full := newPlan(t, s, PlanOptions{}); full.Bundle() == p.Bundle() {
		t.Error("another base gives the same bundle")
	}
}

func TestALargeBlobThatTheBaseHasIsReadThere(t *testing.T) {
	s := stocked(t, 300_000)
	base := inventoryOf(t, s)
	storetest.Publish(t, s, fullVersion(t, module.Version{Path: "example.com/m", Version: "v1.0.0"}, bytesOf(300_000)), signtest.Signer(t, 1))
	p := newPlan(t, s, PlanOptions{Base: base})
	data := tarOf(t, p, 1, WriteOptions{})
	if len(data) > 100_000 {
		t.Errorf("a new signature takes %d bytes", len(data))
	}
	alone, err := openBytes(data, Options{})
	must(t, err)
	if left := alone.LeftOut(0); len(left) != 1 || left[0].Size < 300_000 {
		t.Errorf("left out is %v", left)
	}
	if _, err := contentOf(t, registry.New(alone), alone.Items()[0]); err == nil {
		t.Error("it is read although there is no base")
	}
	v, err := openBytes(data, Options{Base: s})
	must(t, err)
	got, err := contentOf(t, registry.New(v), v.Items()[0])
	must(t, err)
	want, err := contentOf(t, s, v.Items()[0])
	must(t, err)
	if !bytes.Equal(got, want) {
		t.Error("other content")
	}
}

func TestNothingNewIsABundleOfNothing(t *testing.T) {
	signer := *signtest.Signer(t, 0)
	signer.Format = []sign.Format{sign.Classic, sign.Bundle}
	s := filled(t, &signer)
	p := newPlan(t, s, PlanOptions{Base: inventoryOf(t, s)})
	for name, open := range map[string]func([]byte) (*Volume, error){
		"file": func(data []byte) (*Volume, error) { return openBytes(data, Options{}) },
		"pipe": func(data []byte) (*Volume, error) { return OpenPipe("-", bytes.NewReader(data), Options{}) },
	} {
		v, err := open(tarOf(t, p, 1, WriteOptions{Signer: signtest.Signer(t, 0)}))
		must(t, err)
		if len(v.Items()) != 0 || len(v.Omitted()) != len(items(t, s)) {
			t.Errorf("%s: %d items, %d omitted", name, len(v.Items()), len(v.Omitted()))
		}
		must(t, v.Close())
	}
}
