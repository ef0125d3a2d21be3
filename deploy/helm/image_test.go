package helm

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

// stage is a part of the Dockerfile that makes an image.
type stage struct {
	name         string // by which it is built
	instructions [][]string
}

func stages(t *testing.T) []stage {
	t.Helper()
	text, err := os.ReadFile("../../Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	var all []stage
	for line := range strings.Lines(strings.ReplaceAll(string(text), "\\\n", " ")) {
		words := strings.Fields(line)
		switch {
		case len(words) == 0 || strings.HasPrefix(line, "#"):
		case words[0] == "FROM":
			all = append(all, stage{name: words[len(words)-1]})
		default:
			s := &all[len(all)-1]
			s.instructions = append(s.instructions, words)
		}
	}
	return all
}

// Pods give no command, and the user and the directory for the cache are the image's.
func TestImagesAreWhatPodsExpect(t *testing.T) {
	all := stages(t)
	for _, want := range []string{"mirror", "scratch"} { // the last one is what is built by default
		i := slices.IndexFunc(all, func(s stage) bool { return s.name == want })
		if i < 0 || want == "scratch" && i != len(all)-1 {
			t.Fatalf("no stage %s: %v", want, all)
		}
		for _, instruction := range [][]string{{"USER", "65532:65532"}, {"ENTRYPOINT", `["/usr/local/bin/modferry"]`}} {
			if !slices.ContainsFunc(all[i].instructions, func(have []string) bool { return slices.Equal(have, instruction) }) {
				t.Errorf("%s has no %v", want, instruction)
			}
		}
	}
	eachPod(t, func(t *testing.T, _ []object, _ string, pod *corev1.PodTemplateSpec) {
		if user := pod.Spec.SecurityContext.RunAsUser; user != nil && *user != 65532 {
			t.Errorf("user %d", *user)
		}
		if command := pod.Spec.Containers[0].Command; command != nil {
			t.Error(command)
		}
	})
}

// What is built in the image has all packages of the program.
func TestTheImageIsBuiltOfAllItsPackages(t *testing.T) {
	var copied []string
	for _, words := range stages(t)[0].instructions {
		if words[0] == "COPY" {
			copied = append(copied, words[1:len(words)-1]...)
		}
	}
	cmd := exec.Command("go", "list", "-deps", "-json=ImportPath,Module", "./cmd/modferry")
	cmd.Dir = "../.."
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p struct {
			ImportPath string
			Module     *struct{ Main bool }
		}
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if p.Module == nil || !p.Module.Main {
			continue
		}
		found++
		dir, _, _ := strings.Cut(strings.TrimPrefix(p.ImportPath, "github.com/modferry/modferry/"), "/")
		if !slices.Contains(copied, dir) {
			t.Errorf("%s is not copied: %v", dir, copied)
		}
	}
	if found == 0 {
		t.Error("no package")
	}
}
