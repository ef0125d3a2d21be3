package artifact

import (
	"bytes"
	"strings"
	"testing"
)

func TestWithGivesWhatBuildGives(t *testing.T) {
	for name, f := range goldenFiles(t) {
		t.Run(name, func(t *testing.T) {
			other := f
			other.Info = bytes.Replace(f.Info, []byte("git.example.com"), []byte("elsewhere.example.com"), 1)
			want := mustBuild(t, other)
			got, err := mustBuild(t, f).With(other.Info, nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got.Raw, want.Raw) || got.Descriptor.Digest != want.Descriptor.Digest || len(got.Blobs) != len(want.Blobs) {
				t.Errorf("got\n%s\nwant\n%s", got.Raw, want.Raw)
			}
			if again, err := got.With(f.Info, nil, nil); err != nil || !bytes.Equal(again.Raw, mustBuild(t, f).Raw) {
				t.Errorf("there and back: %v", err)
			}
			if _, err := got.With([]byte(`{"Version":"`+f.Module.Version+`","Time":"1999-01-01T00:00:00Z"}`), nil, nil); err == nil || !strings.Contains(err.Error(), "the zip layer has the time of the .info file") {
				t.Error("the time of the zip layer was ignored")
			}
		})
	}
}
