package bundle

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/artifact/sign/signtest"
	"github.com/modferry/modferry/registry"
)

// ways are the forms in which a volume can be opened.
var ways = map[string]func(t *testing.T, p *Plan, k int, o WriteOptions) *Volume{
	"directory": func(t *testing.T, p *Plan, k int, o WriteOptions) *Volume {
		return createAndOpen(t, p, k, o, "bundle")
	},
	"file": func(t *testing.T, p *Plan, k int, o WriteOptions) *Volume {
		return createAndOpen(t, p, k, o, "bundle.tar")
	},
	"pipe": func(t *testing.T, p *Plan, k int, o WriteOptions) *Volume {
		v, err := OpenPipe("-", bytes.NewReader(tarOf(t, p, k, o)), Options{TempDir: t.TempDir()})
		must(t, err)
		return v
	},
}

func createAndOpen(t *testing.T, p *Plan, k int, o WriteOptions, name string) *Volume {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	var volumes []string
	must(t, p.Create(t.Context(), path, o, func(volume string) { volumes = append(volumes, volume) }))
	v, err := Open(volumes[k-1], Options{})
	must(t, err)
	return v
}

func TestAVolumeHasWhatTheStoreHas(t *testing.T) {
	signer := signtest.Signer(t, 0)
	s := filled(t, signer)
	p := newPlan(t, s, PlanOptions{})
	for way, open := range ways {
		t.Run(way, func(t *testing.T) {
			v := open(t, p, 1, WriteOptions{Signer: signer})
			defer v.Close()
			if keys, err := v.Verify(t.Context(), signer.Verifier()); err != nil || len(keys) != 1 {
				t.Errorf("Verify: %v, %v", keys, err)
			}
			list := v.Items()
			if want := items(t, s); len(list) != len(want) {
				t.Fatalf("%d items, want %d", len(list), len(want))
			}
			for n, it := range list {
				want, err := contentOf(t, s, it)
				must(t, err)
				got, err := contentOf(t, registry.New(v), it)
				must(t, err)
				if !bytes.Equal(got, want) {
					t.Errorf("%v has other content", it)
				}
				v.Release(n)
			}
		})
	}
}

func TestAPipeKeepsNothingOfWhatWasReleased(t *testing.T) {
	p := newPlan(t, filled(t, signtest.Signer(t, 0)), PlanOptions{})
	temp := t.TempDir()
	v, err := OpenPipe("-", bytes.NewReader(tarOf(t, p, 1, WriteOptions{})), Options{TempDir: temp})
	must(t, err)
	items := v.Items()
	last := len(items) - 1
	for n := range items[:last] {
		v.Release(n)
	}
	_, err = contentOf(t, registry.New(v), items[last])
	must(t, err)
	from := v.from.(*pipe)
	if left, err := os.ReadDir(from.temp); err != nil || len(left) > 0 {
		t.Errorf("in the directory are %v, %v", left, err)
	}
	for sum := range from.kept {
		if !slices.ContainsFunc(v.lines.items[last].pieces(1), func(p piece) bool { return p.Digest == sum }) {
			t.Errorf("%s is kept", sum)
		}
	}
	if _, err := contentOf(t, registry.New(v), items[0]); err == nil {
		t.Error("what was released is there")
	}
	v.Close()
	if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
		t.Errorf("a closed pipe leaves %v, %v", left, err)
	}
}

func TestAVolumeTakesNothing(t *testing.T) {
	p := newPlan(t, filled(t, nil), PlanOptions{})
	v, err := openBytes(tarOf(t, p, 1, WriteOptions{}), Options{})
	must(t, err)
	for what, err := range map[string]error{
		"blob":     v.PushBlob(t.Context(), "a", artifactBlob),
		"manifest": v.PushManifest(t.Context(), "a", artifactBlob.Descriptor, nil, "b"),
		"tag":      v.CreateTag(t.Context(), "a", artifactBlob.Descriptor, nil, "b", true),
	} {
		if !errors.Is(err, registry.ErrUnsupported) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := v.Verify(t.Context(), signtest.Signer(t, 0).Verifier()); !errors.Is(err, sign.ErrUnsigned) {
		t.Errorf("an unsigned volume: %v", err)
	}
}

func TestSigstoreBundlesTravelAlong(t *testing.T) {
	signer := *signtest.Signer(t, 0)
	signer.Format = []sign.Format{sign.Classic, sign.Bundle}
	s := filled(t, &signer)
	p := newPlan(t, s, PlanOptions{})
	check := func(t *testing.T, from *registry.Store) {
		for _, it := range items(t, s) {
			d, _, err := from.Manifest(t.Context(), it.Repository, it.Tag)
			must(t, err)
			want, err := s.SignatureManifests(t.Context(), it.Repository, d.Digest)
			must(t, err)
			got, err := from.SignatureManifests(t.Context(), it.Repository, d.Digest)
			must(t, err)
			if len(want) != 2 || len(got) != 2 || !bytes.Equal(got[0].Raw, want[0].Raw) || !bytes.Equal(got[1].Raw, want[1].Raw) {
				t.Errorf("%v has %d manifests with signatures, want %d", it, len(got), len(want))
			}
		}
	}
	for way, open := range ways {
		t.Run(way, func(t *testing.T) {
			v := open(t, p, 1, WriteOptions{})
			defer v.Close()
			check(t, registry.New(v))
		})
	}
	dir := filepath.Join(t.TempDir(), "dir")
	must(t, p.Create(t.Context(), dir, WriteOptions{}, func(string) {}))
	t.Run("layout", func(t *testing.T) { check(t, newLayout(t, dir)) })
}
