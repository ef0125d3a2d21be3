package bundle

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/modferry/modferry/artifact"
)

// All that is read of a volume before its items is in memory: its signatures as a whole are limited, and not each.
func TestSignaturesOfAVolumeAreLimitedAltogether(t *testing.T) {
	for n, want := range map[int]error{1: nil, 1000: artifact.ErrLimit} {
		var m ocispec.Manifest
		for i := range n {
			m.Layers = append(m.Layers, ocispec.Descriptor{Digest: digest.FromString(fmt.Sprint(i)), Size: artifact.MaxManifest / 2})
		}
		m.Config = ocispec.Descriptor{Digest: digest.FromString("config"), Size: 2}
		raw, err := json.Marshal(m)
		must(t, err)
		o := opening{small: make(map[Sum][]byte)}
		if _, err := o.addSignatures(File{}, raw); !errors.Is(err, want) {
			t.Errorf("%d signatures: %v, want %v", n, err, want)
		}
	}
}
