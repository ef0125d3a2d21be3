package registry

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

func TestVerifyingReaderEndsWellOnlyForTheRightContent(t *testing.T) {
	right := "some content"
	d := ocispec.Descriptor{Digest: digest.FromString(right), Size: int64(len(right))}
	for name, test := range map[string]struct {
		content string
		want    error
	}{
		"right":   {right, nil},
		"short":   {right[:5], ErrCorrupt},
		"empty":   {"", ErrCorrupt},
		"long":    {right + "!", ErrCorrupt},
		"changed": {"same content", ErrCorrupt},
	} {
		t.Run(name, func(t *testing.T) {
			r := &verifyingReader{
				ReadCloser: io.NopCloser(strings.NewReader(test.content)),
				verifier:   d.Digest.Verifier(), left: d.Size, name: "x",
			}
			_, err := io.ReadAll(r)
			if !errors.Is(err, test.want) {
				t.Errorf("%v, want %v", err, test.want)
			}
			if _, again := r.Read(make([]byte, 1)); again != err && (err != nil || again != io.EOF) {
				t.Errorf("the second end is %v", again)
			}
		})
	}
}
