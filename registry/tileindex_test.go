package registry_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"testing"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/artifact/sign/signtest"
	"github.com/modferry/modferry/artifact/sumdb"
	"github.com/modferry/modferry/artifact/sumdb/sumdbtest"
	"github.com/modferry/modferry/registry"
)

// flooded is a store in which somebody has put tile indexes without end.
type flooded struct {
	registry.Backend
	read int
}

func (f *flooded) Reference(repo, ref string) string { return "flooded/" + repo + ":" + ref }

func (f *flooded) Tags(context.Context, string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for i := 0; i < 5000 && yield(fmt.Sprintf("tiles-signer-%016x", i), nil); i++ {
		}
	}
}

func (f *flooded) Manifest(context.Context, string, string) (ocispec.Descriptor, []byte, error) {
	f.read++
	return ocispec.Descriptor{}, []byte("{}"), nil
}

func TestNotAllTileIndexesAreReadThatSomebodyPutThere(t *testing.T) {
	log, err := sumdb.ParseLog(sumdbtest.Verifier)
	if err != nil {
		t.Fatal(err)
	}
	f := new(flooded)
	_, err = registry.New(f).TileIndexes(t.Context(), log, signtest.Signer(t, 0).Verifier())
	if f.read == 0 || f.read > 1000 || !errors.Is(err, artifact.ErrLimit) {
		t.Errorf("%d were read: %.80v", f.read, err)
	}
}
