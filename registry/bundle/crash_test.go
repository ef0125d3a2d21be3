//go:build unix

package bundle

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// What TestHelperProcess is to write, and how it ends.
const (
	helperStore = "BUNDLE_TEST_STORE"
	helperOut   = "BUNDLE_TEST_OUT"
	helperKill  = "BUNDLE_TEST_KILL"  // after so many pieces
	helperLimit = "BUNDLE_TEST_LIMIT" // of a file, in bytes
)

// volumeSize makes three volumes of [sizes].
const volumeSize = 350_000

var sizes = []int{90_000, 100_000, 110_000, 120_000, 80_000}

// TestHelperProcess is the process that other tests kill, or give a full disk.
func TestHelperProcess(t *testing.T) {
	if os.Getenv(helperStore) == "" {
		t.Skip("only for other tests")
	}
	kill, _ := strconv.Atoi(os.Getenv(helperKill))
	if limit, err := strconv.ParseUint(os.Getenv(helperLimit), 10, 64); err == nil {
		signal.Ignore(syscall.SIGXFSZ)
		must(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: limit, Max: limit}))
	}
	pieces := 0
	p := newPlan(t, newLayout(t, os.Getenv(helperStore)), PlanOptions{VolumeSize: volumeSize})
	err := p.Create(t.Context(), os.Getenv(helperOut), WriteOptions{Progress: func(int64) {
		if pieces++; pieces == kill {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
	}}, func(string) {})
	if errors.Is(err, syscall.EFBIG) {
		return // as ENOSPC
	}
	t.Fatal(err)
}

// helper runs TestHelperProcess with more in its environment.
func helper(t *testing.T, env ...string) error {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestHelperProcess$")
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	if err != nil && len(out) > 0 {
		t.Logf("%s", out)
	}
	return err
}

// complete checks that what is in a directory, apart from temporary names, are whole volumes, and returns their number.
func complete(t *testing.T, dir string) (n int) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	must(t, err)
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".bundle") {
			continue
		}
		n++
		v, err := Open(filepath.Join(dir, e.Name()), Options{})
		must(t, err)
		damaged, err := v.Check(t.Context(), nil)
		if err != nil || len(damaged) > 0 || v.Missing() > 0 {
			t.Errorf("%s: %v, %v", e.Name(), damaged, err)
		}
		v.Close()
	}
	return n
}

func TestCreateThatIsKilledAtAnyMomentIsFinishedByTheNext(t *testing.T) {
	store := t.TempDir()
	p := newPlan(t, stockedAt(t, store, sizes...), PlanOptions{VolumeSize: volumeSize})
	n := len(p.Volumes())
	if n < 2 {
		t.Fatal("one volume")
	}
	for _, name := range []string{"bundle", "bundle.tar"} {
		for _, pieces := range []int{1, 5, 12, 20, 30} {
			t.Run(fmt.Sprintf("%s after %d pieces", name, pieces), func(t *testing.T) {
				dir := t.TempDir()
				out := filepath.Join(dir, name)
				if err := helper(t, helperStore+"="+store, helperOut+"="+out, helperKill+"="+strconv.Itoa(pieces)); err == nil {
					t.Fatal("it was not killed")
				}
				if have := complete(t, dir); have >= n {
					t.Fatalf("%d volumes", have)
				}
				must(t, p.Create(t.Context(), out, WriteOptions{}, func(string) {}))
				left, err := os.ReadDir(dir)
				must(t, err)
				if have := complete(t, dir); have != n || len(left) != n {
					t.Errorf("%d volumes of %d: %v", have, n, left)
				}
			})
		}
	}
}

func TestAFullDiskLeavesNothingHalfWritten(t *testing.T) {
	store := t.TempDir()
	stockedAt(t, store, sizes...)
	for _, name := range []string{"bundle", "bundle.tar"} {
		dir := t.TempDir()
		must(t, helper(t, helperStore+"="+store, helperOut+"="+filepath.Join(dir, name), helperLimit+"=100000"))
		left, err := os.ReadDir(dir)
		must(t, err)
		if slices.ContainsFunc(left, func(e os.DirEntry) bool { return strings.HasPrefix(e.Name(), ".") }) || complete(t, dir) == 3 {
			t.Errorf("%s: left are %v", name, left)
		}
	}
}
