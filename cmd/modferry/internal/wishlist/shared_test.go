//go:build unix

package wishlist

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/modferry/modferry/artifact/userfile"
	"github.com/modferry/modferry/proxyshim"
)

func TestWishlistsOfSeveralProcessesBecomeOne(t *testing.T) {
	file := filepath.Join(t.TempDir(), "wishes.txt")
	const writers, rounds = 4, 20
	var want []string
	var group sync.WaitGroup
	for i := range writers {
		w, err := Open(file)
		must(t, err)
		for j := range rounds {
			want = append(want, fmt.Sprintf("example.com/m%d@v1.0.%d", i, j))
		}
		group.Go(func() {
			var misses []proxyshim.Miss
			for j := range rounds {
				misses = append(misses, miss(fmt.Sprintf("example.com/m%d", i), fmt.Sprintf("v1.0.%d", j), ""), times(miss("example.com/all", "", "main"), j+1, 0, j))
				if err := w.Add(misses); err != nil {
					t.Error(err)
				}
				misses = slices.DeleteFunc(misses, func(m proxyshim.Miss) bool { return m.Query == "main" })
			}
		})
	}
	group.Wait()
	data, err := os.ReadFile(file)
	must(t, err)
	text := string(data)
	for _, wish := range want {
		if strings.Count(text, wish+"\n") != 1 {
			t.Errorf("%s is there %d times", wish, strings.Count(text, wish+"\n"))
		}
	}
	if !strings.Contains(text, fmt.Sprintf("example.com/all@main  # %d times, ", writers*rounds)) {
		t.Errorf("requests were counted wrongly:\n%s", text)
	}
}

func TestWishlistThatIsDeletedMeanwhileKeepsWhatOthersWrite(t *testing.T) {
	file := filepath.Join(t.TempDir(), "wishes.txt")
	serve, err := Open(file)
	must(t, err)
	must(t, serve.Add([]proxyshim.Miss{times(miss("example.com/old", "v1.0.0", ""), 1, 0, 0)}))
	must(t, os.Remove(file))
	check, err := Open(file)
	must(t, err)
	must(t, check.Add([]proxyshim.Miss{miss("example.com/a", "v1.0.0", "")}))
	must(t, serve.Add([]proxyshim.Miss{times(miss("example.com/old", "v1.0.0", ""), 1, 0, 0), miss("example.com/b", "v1.0.0", "")}))
	if got, err := os.ReadFile(file); err != nil || string(got) != "example.com/a@v1.0.0\nexample.com/b@v1.0.0\n" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestWishlistHasToBeAFileThatCanBeWritten(t *testing.T) {
	dir := t.TempDir()
	fifo := filepath.Join(dir, "fifo")
	must(t, syscall.Mkfifo(fifo, 0o600))
	link := filepath.Join(dir, "link")
	must(t, os.Symlink(os.DevNull, link))
	for name, want := range map[string]error{
		fifo: userfile.ErrNotRegular, dir: userfile.ErrNotRegular, os.DevNull: userfile.ErrNotRegular, link: userfile.ErrNotRegular,
		filepath.Join(dir, "none", "wishes.txt"): fs.ErrNotExist,
	} {
		if _, err := Open(name); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", name, err, want)
		}
		if err := userfile.Replace(name, []byte("x")); !errors.Is(err, want) {
			t.Errorf("replacing %s: %v, want %v", name, err, want)
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 2 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode().Type() != fs.ModeSymlink {
		t.Errorf("the link: %v, %v", info, err)
	}
}

// umask is that of this process until the test ends.
func TestLockThatIsThereButCannotBeOpenedIsAnErrorThatNamesIt(t *testing.T) {
	for name, spoil := range map[string]func(lock string) error{
		"of somebody else": func(lock string) error { return os.WriteFile(lock, nil, 0) },
		"link to itself":   func(lock string) error { return os.Symlink(lock, lock) },
		"link to nothing":  func(lock string) error { return os.Symlink(lock+"s", lock) },
	} {
		if name == "of somebody else" && os.Getuid() == 0 {
			continue // root opens it
		}
		dir := t.TempDir()
		file, lock := filepath.Join(dir, "wishes.txt"), filepath.Join(dir, ".wishes.txt.lock")
		must(t, os.WriteFile(file, []byte("example.com/old@v1.0.0\n"), 0o666))
		must(t, spoil(lock))
		w, err := Open(file)
		must(t, err)
		if err := w.Add([]proxyshim.Miss{miss("example.com/a", "v1.0.0", "")}); err == nil || !strings.Contains(err.Error(), lock) {
			t.Errorf("%s: got %v", name, err)
		}
		if got, err := os.ReadFile(file); err != nil || string(got) != "example.com/old@v1.0.0\n" {
			t.Errorf("%s: the list was written, without the lock: %q, %v", name, got, err)
		}
	}
}

func TestWishlistInADirectoryThatTakesNoFilesIsWrittenInPlace(t *testing.T) {
	if os.Getuid() == 0 {
		t.Skip("every directory takes files")
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "wishes.txt")
	must(t, os.WriteFile(file, []byte("example.com/old@v1.0.0\n"), 0o600))
	must(t, os.Chmod(dir, 0o500))
	t.Cleanup(func() { _ = os.Chmod(dir, 0o700) })
	w, err := Open(file)
	must(t, err)
	must(t, w.Add([]proxyshim.Miss{miss("example.com/a", "v1.0.0", "")}))
	if got, err := os.ReadFile(file); err != nil || string(got) != "example.com/old@v1.0.0\nexample.com/a@v1.0.0\n" {
		t.Errorf("got %q, %v", got, err)
	}
	if _, err := Open(filepath.Join(dir, "other.txt")); err == nil || !strings.Contains(err.Error(), "other.txt") {
		t.Error("no error for a file that nobody can make")
	}
}

func TestFailingWishlistIsLoggedOnceAndWrittenInTheEnd(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "dir")
	must(t, os.Mkdir(dir, 0o700))
	file := filepath.Join(dir, "wishes.txt")
	w, err := Open(file)
	must(t, err)
	var log bytes.Buffer
	f := &follower{list: w, log: slog.New(slog.NewTextHandler(&log, nil))}
	must(t, os.Remove(dir))
	for range 3 {
		f.update([]proxyshim.Miss{miss("example.com/a", "v1.0.0", "")}, true)
	}
	must(t, os.Mkdir(dir, 0o700))
	for range 3 {
		f.update([]proxyshim.Miss{miss("example.com/a", "v1.0.0", "")}, true)
	}
	if got, err := os.ReadFile(file); err != nil || string(got) != "example.com/a@v1.0.0\n" {
		t.Errorf("got %q, %v", got, err)
	}
	if n := strings.Count(log.String(), "\n"); n != 2 {
		t.Errorf("%d lines:\n%s", n, log.String())
	}
}
