package closure

import (
	"context"
	"io"
	"strings"
	"testing"
)

// TestWhatIsBehindARefusedVersionIsSaidToBeMissing has versions that are refused while it is found out what
// is needed: when they are to be mirrored, they may be had, and then nothing fails.
func TestWhatIsBehindARefusedVersionIsSaidToBeMissing(t *testing.T) {
	t.Parallel()
	up := upstream(t)
	for _, tt := range []struct{ name, refused, want string }{
		{"a go.mod", "example.com/older/@v/v1.0.0.mod", "what is behind example.com/older@v1.0.0 was not found out"},
		{"a zip", "example.com/old/@v/v1.0.0.zip", "what is behind example.com/old@v1.0.0 was not found out"},
		{"several", "example.com/", "what is behind example.com/leaf@v1.0.0, example.com/old@v1.0.0"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			write(t, dir, map[string]string{
				"go.mod": "module corp.example/p\n\ngo 1.16\n\nrequire (\n\texample.com/leaf v1.0.0\n\texample.com/old v1.0.0\n)\n",
				"p.go":   "package p\n\nimport (\n\t_ \"example.com/leaf\"\n\t_ \"example.com/old\"\n)\n",
			})
			src := sourceFunc(func(ctx context.Context, name string) (io.ReadCloser, error) {
				if strings.HasPrefix(name, tt.refused) {
					return nil, errOutage
				}
				return up.Open(ctx, name)
			})
			r := projectOf(t, Options{Source: src}, dir)
			checkWarnings(t, r, tt.want)
			if !r.Partial {
				t.Error("taken for all")
			}
		})
	}
}
