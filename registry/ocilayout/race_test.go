//go:build unix

package ocilayout

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/artifact/artifacttest"
	"github.com/modferry/modferry/registry"
)

const races = 50

func raceVersion(i int) module.Version { return artifacttest.Later(fmt.Sprintf("v1.%d.0", i)) }

func TestOfTwoWhoPublishAVersionAtOnceOneLoses(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	one, other := openStore(t, dir), openStore(t, dir)
	for _, test := range []struct {
		name   string
		path   string
		stores [2]*registry.Store
		pinned bool
	}{
		{"two stores on one directory", "corp.example/two", [2]*registry.Store{one, other}, false},
		{"two stores on one directory, pinned", "corp.example/twopinned", [2]*registry.Store{one, other}, true},
		{"one store used twice", "corp.example/one", [2]*registry.Store{one, one}, false},
		{"one store used twice, pinned", "corp.example/onepinned", [2]*registry.Store{one, one}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			for i := range races {
				m := module.Version{Path: test.path, Version: raceVersion(i).Version}
				race(t, m, test.stores, registry.PublishOptions{Recorded: test.pinned})
			}
		})
	}
}

func race(t *testing.T, m module.Version, stores [2]*registry.Store, o registry.PublishOptions) {
	t.Helper()
	var artifacts [2]*artifact.Artifact
	var errs [2]error
	start := make(chan struct{})
	var all sync.WaitGroup
	for i, s := range stores {
		artifacts[i] = artifacttest.FullVersion(t, m, fmt.Sprint("text ", i))
		all.Go(func() {
			<-start
			_, errs[i] = s.Publish(t.Context(), artifacts[i], o)
		})
	}
	close(start)
	all.Wait()
	winner := 0
	if errs[0] != nil {
		winner = 1
	}
	if errs[winner] != nil {
		t.Fatalf("%v: nobody won: %v; %v", m, errs[0], errs[1])
	}
	var c *registry.ConflictError
	won, lost := artifacts[winner], artifacts[1-winner]
	if !errors.As(errs[1-winner], &c) || c.HaveSum != won.Manifest.Sum || c.WantSum != lost.Manifest.Sum {
		t.Fatalf("%v: the loser has %v; want a conflict of %s and %s", m, errs[1-winner], won.Manifest.Sum, lost.Manifest.Sum)
	}
	for _, s := range stores {
		if found, err := s.Find(t.Context(), m); err != nil || found.Descriptor.Digest != won.Descriptor.Digest {
			t.Errorf("%v: found %v, %v; want the winner's", m, found, err)
		}
	}
}

// childRace publishes a version of its own content for each line it reads, and says how that went.
func childRace(t *testing.T, l *layout) {
	name := os.Getenv(childName)
	s := registry.New(l)
	var versions []*artifact.Artifact
	for i := range races {
		versions = append(versions, artifacttest.FullVersion(t, raceVersion(i), name))
	}
	lines := bufio.NewScanner(os.Stdin)
	for i := 0; i < races && lines.Scan(); i++ {
		_, err := s.Publish(t.Context(), versions[i], registry.PublishOptions{})
		fmt.Printf("\nrace %d %s %v\n", i, versions[i].Manifest.Sum, err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestOfTwoProcessesThatPublishAVersionAtOnceOneLoses(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	var start [2]io.Writer
	var said [2]*bufio.Scanner
	for i := range start {
		cmd := childCommand("race", dir, fmt.Sprint("text ", i))
		in, err1 := cmd.StdinPipe()
		out, err2 := cmd.StdoutPipe()
		if err := errors.Join(err1, err2, cmd.Start()); err != nil {
			t.Fatal(err)
		}
		defer func() {
			in.Close()
			if err := cmd.Wait(); err != nil {
				t.Error(err)
			}
		}()
		start[i], said[i] = in, bufio.NewScanner(out)
	}
	for i := range races {
		for _, in := range start {
			if _, err := io.WriteString(in, "go\n"); err != nil {
				t.Fatal(err)
			}
		}
		var sums, errs [2]string
		for j, out := range said {
			sums[j], errs[j] = raceResult(t, out, i)
		}
		winner := 0
		if errs[0] != "<nil>" {
			winner = 1
		}
		lost := errs[1-winner]
		if errs[winner] != "<nil>" || !strings.Contains(lost, sums[winner]+" there, "+sums[1-winner]+" here") {
			t.Fatalf("%v: %q; want one winner and a conflict of both sums", raceVersion(i), errs)
		}
	}
}

// raceResult reads what a child says about a race.
func raceResult(t *testing.T, out *bufio.Scanner, i int) (sum, result string) {
	t.Helper()
	for out.Scan() {
		if line, ok := strings.CutPrefix(out.Text(), fmt.Sprintf("race %d ", i)); ok {
			sum, result, _ = strings.Cut(line, " ")
			return sum, result
		}
	}
	t.Fatalf("no result of race %d: %v", i, out.Err())
	return "", ""
}
