//go:build unix

package ocilayout

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/registry"
)

// The tests in this file run their own binary again: TestLayoutChild, told by the environment what to do.
const (
	childMode = "LAYOUT_CHILD"
	childDir  = "LAYOUT_DIR"
	childName = "LAYOUT_NAME"
)

func TestLayoutChild(t *testing.T) {
	mode := os.Getenv(childMode)
	if mode == "" {
		t.Skip("the other tests run this")
	}
	l, err := newLayout(os.Getenv(childDir))
	if err != nil {
		t.Fatal(err)
	}
	map[string]func(*testing.T, *layout){
		"publish":  childPublish,
		"hold":     childHold,
		"readonly": childReadOnly,
		"full":     childFull,
		"race":     childRace,
		"delete":   childDelete,
	}[mode](t, l)
}

func childCommand(mode, dir, name string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], "-test.run=^TestLayoutChild$", "-test.v")
	cmd.Env = append(os.Environ(), childMode+"="+mode, childDir+"="+dir, childName+"="+name)
	cmd.Stderr = os.Stderr
	return cmd
}

const childVersions = 20

func childImage(name string, i int) image {
	return newImage("example.com/"+name, fmt.Sprintf("v1.%d.0", i))
}

// childPublish says "ack i" after each version.
func childPublish(t *testing.T, l *layout) {
	var g errgroup.Group
	g.SetLimit(4)
	for i := range childVersions {
		g.Go(func() error {
			err := childImage(os.Getenv(childName), i).publish(context.Background(), l)
			if err == nil {
				fmt.Printf("\nack %d\n", i)
			}
			return err
		})
	}
	if err := errors.Join(g.Wait(), l.Close()); err != nil {
		t.Fatal(err)
	}
}

// runChild publishes name's versions in another process, which is killed after n of
// them unless n is negative, and returns those that were acknowledged.
func runChild(dir, name string, n int) (acked []image, err error) {
	cmd := childCommand("publish", dir, name)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	if n == 0 {
		_ = cmd.Process.Kill()
	}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		var i int
		if _, err := fmt.Sscanf(lines.Text(), "ack %d", &i); err != nil {
			continue
		}
		if acked = append(acked, childImage(name, i)); len(acked) == n {
			_ = cmd.Process.Kill() // may have finished
		}
	}
	if waitErr := cmd.Wait(); n < 0 {
		err = waitErr
	}
	return acked, err
}

func TestLayoutSurvivesKilledWriters(t *testing.T) {
	for range 3 {
		dir := filepath.Join(t.TempDir(), "store")
		here := openLayout(t, dir)
		var want []image
		for round := range 4 {
			var g errgroup.Group
			var killed, other []image
			g.Go(func() (err error) {
				killed, err = runChild(dir, fmt.Sprint("killed", round), rand.IntN(childVersions))
				return err
			})
			g.Go(func() (err error) {
				other, err = runChild(dir, fmt.Sprint("other", round), -1)
				return err
			})
			img := childImage("here", round)
			g.Go(func() error { return img.publish(t.Context(), here) })
			if err := g.Wait(); err != nil {
				t.Fatal(err)
			}
			if len(other) != childVersions {
				t.Fatalf("the undisturbed writer published %d", len(other))
			}
			want = append(append(append(want, killed...), other...), img)
		}
		checkSurvivors(t, here, want)
		checkSurvivors(t, openLayout(t, dir), want)
	}
}

// checkSurvivors checks that all of want is there, and that whatever is there is whole.
func checkSurvivors(t *testing.T, l *layout, want []image) {
	t.Helper()
	for _, img := range want {
		if _, _, err := l.Manifest(t.Context(), img.repo, img.tag); err != nil {
			t.Error(err)
		}
	}
	for _, repo := range collect(t, l.Repositories(t.Context())) {
		if err := checkComplete(t.Context(), l, repo); err != nil {
			t.Error(err)
		}
	}
}

// childDelete deletes what childPublish published but for the first version, and says "ack" for each tag.
func childDelete(t *testing.T, l *layout) {
	fmt.Print("\nack\n")
	err := l.Delete(context.Background(), deletions(childImages(1)...), func(registry.Deletion, error) { fmt.Print("\nack\n") })
	if err := errors.Join(err, l.Close()); err != nil {
		t.Fatal(err)
	}
}

// childImages are the images that childPublish publishes, from a number on.
func childImages(from int) (images []image) {
	for i := from; i < childVersions; i++ {
		images = append(images, childImage("a", i))
	}
	return images
}

func TestLayoutSurvivesKilledDeletions(t *testing.T) {
	keep := childImage("a", 0)
	for n := range 8 {
		dir := t.TempDir()
		mustPublish(t, openLayout(t, dir), childImages(0)...)
		cmd := childCommand("delete", dir, "")
		out, err := cmd.StdoutPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		acks := 0
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if lines.Text() != "ack" {
				continue
			}
			if acks++; acks > n*6 {
				_ = cmd.Process.Kill()
			}
		}
		_ = cmd.Wait()
		reader := openLayout(t, dir)
		if tags := len(collect(t, reader.Tags(t.Context(), keep.repo))); tags != 2 && tags != 2*childVersions {
			t.Errorf("%d tags: a part was deleted", tags)
		}
		checkSurvivors(t, reader, []image{keep})
		again := openLayout(t, dir)
		remove(t, again, deletions(childImages(1)...))
		wantOnly(t, again, keep)
	}
}

// childHold publishes one version and waits to be killed.
func childHold(t *testing.T, l *layout) {
	if err := childImage("a", 0).publish(context.Background(), l); err != nil {
		t.Fatal(err)
	}
	fmt.Print("\nack 0\n")
	select {}
}

func TestLayoutKilledBetweenAppendAndFold(t *testing.T) {
	ctx := t.Context()
	dir := t.TempDir()
	cmd := childCommand("hold", dir, "")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewScanner(out); lines.Scan() && lines.Text() != "ack 0"; {
	}
	cmd.Process.Kill()
	_ = cmd.Wait()
	journal := fileText(t, dir, journalFile)
	if strings.Contains(fileText(t, dir, "index.json"), "v1.0.0") || !strings.Contains(journal, "v1.0.0") {
		t.Fatal("the child was not killed before the fold")
	}
	reader, img := openLayout(t, dir), childImage("a", 0)
	if err := img.check(ctx, reader); err != nil {
		t.Error(err)
	}
	if err := reader.Close(); err != nil || fileText(t, dir, journalFile) != journal {
		t.Errorf("a reader changed the layout (%v)", err)
	}

	// The first push folds, whatever it pushes.
	writer := openLayout(t, dir)
	if err := writer.PushBlob(ctx, "example.com/b", artifact.NewBlob("x", []byte("x"))); err != nil {
		t.Fatal(err)
	}
	index := fileText(t, dir, "index.json")
	if !strings.Contains(index, "v1.0.0") || fileText(t, dir, journalFile) != "" {
		t.Error("the journal was not folded")
	}

	// Killed between the two steps of the fold: the journal is there still.
	writeFile(t, filepath.Join(dir, journalFile), journal)
	for _, l := range []*layout{reader, openLayout(t, dir)} {
		if err := img.check(ctx, l); err != nil {
			t.Error(err)
		}
	}
	if err := writer.Close(); err != nil || fileText(t, dir, "index.json") != index {
		t.Errorf("%v, index.json is now\n%s", err, fileText(t, dir, "index.json"))
	}
}

func TestLayoutIgnoresTornLinesAndCutsThemOff(t *testing.T) {
	ctx := t.Context()
	dir := t.TempDir()
	whole := []image{childImage("a", 0), childImage("a", 1)}
	mustPublish(t, openLayout(t, dir), whole...)
	journal := fileText(t, dir, journalFile)
	for cut := 0; cut <= len(journal); cut += 1 + rand.IntN(40) {
		writeFile(t, filepath.Join(dir, journalFile), journal[:cut])
		lines, tags := strings.Count(journal[:cut], "\n"), 0
		l := openLayout(t, dir)
		if err := l.view.read(func(x *index) { tags = len(x.tags("example.com/a")) }); err != nil || tags != lines {
			t.Fatalf("cut at %d: %d tags, %v, want %d", cut, tags, err, lines)
		}
		l.prepared = true // which would fold the torn line away
		mustPublish(t, l, childImage("b", 0))
		if err := childImage("b", 0).check(ctx, openLayout(t, dir)); err != nil {
			t.Fatalf("cut at %d: %v", cut, err)
		}
		after := fileText(t, dir, journalFile)
		if strings.Count(after, "\n") != lines+2 || !strings.HasSuffix(after, "\n") {
			t.Fatalf("cut at %d: journal\n%s", cut, after)
		}
		l.prepared = false
	}
}

func TestLayoutSkipsLinesThatAPowerCutGarbled(t *testing.T) {
	dir := t.TempDir()
	l := openLayout(t, dir)
	mustPublish(t, l, childImage("a", 0))
	journal := fileText(t, dir, journalFile)
	garbage := strings.Repeat("\x00", 300) + "\n{\"mediaType\":\"x\"}\nnull\n\n" + foreignIndex3 + "\n" + journal[40:]
	writeFile(t, filepath.Join(dir, journalFile), journal+garbage)
	mustPublish(t, l, childImage("a", 1))
	for _, l := range []*layout{l, openLayout(t, dir)} {
		if err := errors.Join(childImage("a", 0).check(t.Context(), l), childImage("a", 1).check(t.Context(), l)); err != nil {
			t.Error(err)
		}
		if tags := collect(t, l.Tags(t.Context(), "example.com/a")); len(tags) != 4 {
			t.Errorf("tags = %q", tags)
		}
	}
}

// childReadOnly reads and tries to write a layout that it must not change.
func childReadOnly(t *testing.T, l *layout) {
	if os.Geteuid() == 0 {
		if err := syscall.Setuid(65534); err != nil {
			t.Fatal(err)
		}
	}
	ctx := context.Background()
	for i := range 2 {
		if err := childImage("a", i).check(ctx, l); err != nil {
			t.Error(err)
		}
	}
	if err := childImage("a", 2).publish(ctx, l); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("publishing: %v", err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}

func TestLayoutInAReadOnlyDirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	folded := openLayout(t, dir)
	mustPublish(t, folded, childImage("a", 0))
	if err := folded.Close(); err != nil {
		t.Fatal(err)
	}
	mustPublish(t, openLayout(t, dir), childImage("a", 1)) // in the journal
	chmod := func(dir string, mode fs.FileMode) {
		if err := os.Chmod(dir, mode); err != nil {
			t.Fatal(err)
		}
	}
	for d := filepath.Dir(dir); d != filepath.Clean(os.TempDir()) && len(d) > 1; d = filepath.Dir(d) {
		chmod(d, 0o755)
	}
	for _, d := range []string{".", ownDir, tmpDir, "blobs", blobsDir} {
		chmod(filepath.Join(dir, d), 0o555)
		defer chmod(filepath.Join(dir, d), 0o755)
	}
	if out, err := childCommand("readonly", dir, "").Output(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	if journal := fileText(t, dir, journalFile); !strings.Contains(journal, "v1.1.0") {
		t.Errorf("journal: %q", journal)
	}
}

// childFull runs into a disk that takes files up to a size only.
func childFull(t *testing.T, l *layout) {
	signal.Ignore(syscall.SIGXFSZ)
	limit := func(n uint64) {
		var r syscall.Rlimit
		if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &r); err != nil {
			t.Fatal(err)
		}
		r.Cur = min(n, r.Max)
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &r); err != nil {
			t.Fatal(err)
		}
	}
	const unlimited = 1 << 62
	ctx := context.Background()
	mustPublish(t, l, childImage("a", 0))
	before := fileText(t, l.dir, journalFile)

	big := artifact.NewBlob("x", make([]byte, 1<<20))
	limit(300 << 10)
	err := l.PushBlob(ctx, "example.com/a", big)
	limit(unlimited)
	if !errors.Is(err, syscall.EFBIG) {
		t.Errorf("blob: %v", err)
	}
	if _, err := os.Stat(l.blobPath(big.Descriptor.Digest)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("half a blob: %v", err)
	}
	assertNoFiles(t, l.dir, tmpDir)

	img := childImage("a", 0)
	for _, room := range []int{0, 7, 100} {
		limit(uint64(len(before) + room))
		err = l.PushManifest(ctx, img.repo, img.desc, img.manifest, "another")
		limit(unlimited)
		if !errors.Is(err, syscall.EFBIG) {
			t.Errorf("journal: %v", err)
		}
		if _, _, err := l.Manifest(ctx, img.repo, "another"); !errors.Is(err, registry.ErrNotFound) {
			t.Errorf("torn tag: %v", err)
		}
	}
	mustPublish(t, l, childImage("a", 1))

	limit(100)
	err = l.Close()
	limit(unlimited)
	if !errors.Is(err, syscall.EFBIG) {
		t.Errorf("fold: %v", err)
	}
	assertNoFiles(t, l.dir, tmpDir)
	if err := errors.Join(childImage("a", 0).check(ctx, l), childImage("a", 1).check(ctx, l), l.Close()); err != nil {
		t.Error(err)
	}
}

func TestLayoutOnAFullDisk(t *testing.T) {
	if out, err := childCommand("full", t.TempDir(), "").Output(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestJournalOfAnEarlierVersionIsRead(t *testing.T) {
	dir := t.TempDir()
	mustPublish(t, openLayout(t, dir), childImage("a", 0))
	var earlier strings.Builder
	for line := range strings.Lines(fileText(t, dir, journalFile)) {
		var d ocispec.Descriptor // whose members are in another order
		if err := json.Unmarshal([]byte(line), &d); err != nil {
			t.Fatal(err)
		}
		if err := json.NewEncoder(&earlier).Encode(d); err != nil {
			t.Fatal(err)
		}
	}
	writeFile(t, filepath.Join(dir, journalFile), earlier.String())
	if err := childImage("a", 0).check(t.Context(), openLayout(t, dir)); err != nil {
		t.Error(err)
	}
}
