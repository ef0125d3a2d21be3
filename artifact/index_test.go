package artifact

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

func readBack(t *testing.T, image *Image) []string {
	t.Helper()
	list, err := ParseIndex(image.Raw)
	if err != nil {
		t.Fatal(err)
	}
	data := list.Data
	if data == nil {
		data = image.Blobs[1].data
	}
	paths, err := ReadIndex(data)
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

func TestIndexNamesEachModuleOnceAndInOrder(t *testing.T) {
	image, err := BuildIndex([]string{"example.com/b", "example.com/A", "example.com/b"})
	if err != nil {
		t.Fatal(err)
	}
	if got := readBack(t, image); !reflect.DeepEqual(got, []string{"example.com/A", "example.com/b"}) {
		t.Errorf("got %q", got)
	}
	again, err := BuildIndex([]string{"example.com/A", "example.com/b"})
	if err != nil || again.Descriptor.Digest != image.Descriptor.Digest {
		t.Errorf("the same modules give %v, %v, want %v", again.Descriptor.Digest, err, image.Descriptor.Digest)
	}
}

func TestALargeIndexIsNotCarriedInsideTheManifest(t *testing.T) {
	var paths []string
	for i := range 20_000 {
		paths = append(paths, fmt.Sprintf("example.com/organization/module%05d", i))
	}
	image, err := BuildIndex(paths)
	if err != nil {
		t.Fatal(err)
	}
	if got := readBack(t, image); !reflect.DeepEqual(got, paths) || len(image.Raw) > 4096 {
		t.Errorf("%d modules, a manifest of %d bytes", len(got), len(image.Raw))
	}
	if _, err := BuildIndex([]string{"example.com/" + strings.Repeat("x", MaxIndex)}); !errors.Is(err, ErrLimit) {
		t.Errorf("over the limit: %v", err)
	}
}

func TestReadIndexRefuses(t *testing.T) {
	for name, list := range map[string]string{
		"what is no module path":     "index\n",
		"a path out of the store":    "../x\n",
		"modules out of order":       "example.com/b\nexample.com/a\n",
		"a module twice":             "example.com/a\nexample.com/a\n",
		"a list that was cut":        "example.com/a\nexample.com/b",
		"an empty line":              "example.com/a\n\n",
		"line ends of other systems": "example.com/a\r\n",
	} {
		if paths, err := ReadIndex([]byte(list)); !errors.Is(err, ErrCorrupt) || paths != nil {
			t.Errorf("%s: %q, %v", name, paths, err)
		}
	}
}

func TestParseIndexRefusesAModule(t *testing.T) {
	for name, artifactType := range map[string]string{"a module": "", "a snapshot": "application/vnd.modferry.sumdb.snapshot.v1"} {
		image, err := NewImage(artifactType, make(map[string]string), NewBlob(MediaTypeIndexConfig, []byte("{}")), NewBlob(MediaTypeIndexModules, []byte("example.com/a\n")))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ParseIndex(image.Raw); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestNoModuleHasTheNameOrATagOfTheIndex(t *testing.T) {
	if path, err := ModulePath(IndexRepository); err == nil {
		t.Errorf("%s is the repository of %s", IndexRepository, path)
	}
	for _, id := range []string{"", "sha256:" + strings.Repeat("ab", 32)} {
		if tag := IndexTag(id); !IsIndexTag(tag) || len(tag) > 30 {
			t.Errorf("tag %q", tag)
		}
	}
	if IsIndexTag("sha256-" + strings.Repeat("ab", 32) + ".sig") {
		t.Error("a signature is no index")
	}
}
