package prune_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/registry/prune"
)

var (
	one, two = digest.FromString("one"), digest.FromString("two")
	start    = "modferry prune plan 1\nstore oci:/srv/store\n"
	whole    = start + "# a comment\n\nremove example.com/a:v1.0.0 " + string(one) + " 123 not the newest\n  with " + sign.Tag(one) + " " + string(two) + "\n" +
		"  with rev-main " + string(two) + "\n  with sumdb-v1.0.0 " + string(two) + "\n  with " + sign.Tag(two) + " " + string(one) + "\n"
)

func TestPlansAreRead(t *testing.T) {
	for _, text := range []string{whole, strings.ReplaceAll(whole, "\n", "\r\n")} {
		p, err := prune.Parse(strings.NewReader(strings.Replace(text, "plan 1\r\n", "plan 1\n", 1)))
		if err != nil || p.Store != "oci:/srv/store" || len(p.Removals) != 1 || p.Tags() != 5 || p.Size() != 123 || p.Removals[0].Reason != "not the newest" {
			t.Errorf("%v, %v", p, err)
		}
	}
	if p, err := prune.Parse(strings.NewReader(start)); err != nil || p.Tags() != 0 {
		t.Errorf("nothing to remove: %v", err)
	}
}

func TestWhatIsNoPlanIsRefused(t *testing.T) {
	removal := "remove example.com/a:v1.0.0 " + string(one) + " 1 x\n"
	for name, text := range map[string]string{
		"nothing":                           "",
		"another file":                      "module example.com/a\n",
		"a newer plan":                      "modferry prune plan 2\nstore x\n",
		"no store":                          "modferry prune plan 1\n" + removal,
		"a snapshot":                        start + "remove sumdb/sum.golang.org:latest " + string(one) + " 1 x\n",
		"a snapshot's head":                 start + "remove sumdb/sum.golang.org:head-7 " + string(one) + " 1 x\n",
		"an index":                          start + "remove index:signer-0123456789abcdef " + string(one) + " 1 x\n",
		"a version of no module":            start + "remove index:v1.0.0 " + string(one) + " 1 x\n",
		"evidence by itself":                start + "remove example.com/a:sumdb-v1.0.0 " + string(one) + " 1 x\n",
		"a signature by itself":             start + "remove example.com/a:" + sign.Tag(one) + " " + string(one) + " 1 x\n",
		"a revision by itself":              start + "remove example.com/a:rev-main " + string(one) + " 1 x\n",
		"no digest":                         start + "remove example.com/a:v1.0.0 sha256:1 1 x\n",
		"another hash":                      start + "remove example.com/a:v1.0.0 sha512:" + strings.Repeat("0", 128) + " 1 x\n",
		"no size":                           start + "remove example.com/a:v1.0.0 " + string(one) + " much x\n",
		"a negative size":                   start + "remove example.com/a:v1.0.0 " + string(one) + " -1 x\n",
		"no reason":                         start + "remove example.com/a:v1.0.0 " + string(one) + " 1\n",
		"a version twice":                   start + removal + removal,
		"another word":                      start + "delete example.com/a:v1.0.0 " + string(one) + " 1 x\n",
		"a companion of nothing":            start + "  with rev-main " + string(one) + "\n",
		"a companion with a tab":            start + removal + "\twith rev-main " + string(one) + "\n",
		"the signature of something else":   start + removal + "  with " + sign.Tag(two) + " " + string(two) + "\n",
		"another version's evidence":        start + removal + "  with sumdb-v1.1.0 " + string(two) + "\n",
		"another version as its companion":  start + removal + "  with v1.1.0 " + string(two) + "\n",
		"a snapshot as its companion":       start + removal + "  with latest " + string(two) + "\n",
		"cut off within a line":             strings.TrimSuffix(whole, "\n"),
		"the version taken out, not what's": strings.Replace(whole, "remove ", "# remove ", 1),
		"below another only its signature":  start + removal + "remove example.com/a:v1.1.0 " + string(two) + " 1 x\n  with " + sign.Tag(one) + " " + string(two) + "\n",
	} {
		if p, err := prune.Parse(strings.NewReader(text)); !errors.Is(err, prune.ErrMalformed) {
			t.Errorf("%s: %v, %v", name, p, err)
		}
	}
}

func TestALineWithoutEndIsALimit(t *testing.T) {
	r := io.MultiReader(strings.NewReader(start), strings.NewReader("# "+strings.Repeat("x", 1<<20)))
	if _, err := prune.Parse(r); !errors.Is(err, artifact.ErrLimit) {
		t.Error(err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(whole)
	f.Add(start)
	f.Fuzz(func(t *testing.T, text string) {
		p, err := prune.Parse(strings.NewReader(text))
		if err != nil {
			return
		}
		var out bytes.Buffer
		if err := p.Write(&out); err != nil {
			t.Fatal(err)
		}
		again, err := prune.Parse(&out)
		if err != nil || again.Tags() != p.Tags() || fmt.Sprint(again.Store) != p.Store {
			t.Errorf("%v, %v, read again as %v", err, p, again)
		}
	})
}
