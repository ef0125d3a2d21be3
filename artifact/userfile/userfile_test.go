//go:build unix

package userfile

import (
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestReplacedFileKeepsItsPermissions(t *testing.T) {
	file := filepath.Join(t.TempDir(), "f")
	for _, mode := range []fs.FileMode{0o600, 0o664} {
		must(t, os.WriteFile(file, nil, mode))
		must(t, os.Chmod(file, mode))
		must(t, Replace(file, []byte("x")))
		if info, err := os.Stat(file); err != nil || info.Mode() != mode {
			t.Errorf("%v, %v; want %v", info.Mode(), err, mode)
		}
	}
}

func umask(t *testing.T, mask int) {
	t.Helper()
	old := syscall.Umask(mask)
	t.Cleanup(func() { syscall.Umask(old) })
}

func TestNewFileHasThePermissionsThatTheUmaskLeaves(t *testing.T) {
	for mask, want := range map[int]fs.FileMode{0o077: 0o600, 0o022: 0o644, 0o002: 0o664} {
		umask(t, mask)
		file := filepath.Join(t.TempDir(), "f")
		must(t, Replace(file, []byte("x")))
		if info, err := os.Stat(file); err != nil || info.Mode() != want {
			t.Errorf("umask %03o: %v, %v; want %v", mask, info.Mode(), err, want)
		}
	}
}

func TestLockCanBeReadByWhomTheUmaskLets(t *testing.T) {
	umask(t, 0o022)
	file := filepath.Join(t.TempDir(), "wishes.txt")
	for range 2 { // with and without a lock file that is there
		unlock, err := Lock(file)
		must(t, err)
		unlock()
	}
	if info, err := os.Stat(filepath.Join(filepath.Dir(file), ".wishes.txt.lock")); err != nil || info.Mode() != 0o644 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

func TestLinkToAFileThatIsNotThereYetStaysOne(t *testing.T) {
	dir := t.TempDir()
	must(t, os.Mkdir(filepath.Join(dir, "there"), 0o700))
	for name, target := range map[string]string{"relative": filepath.Join("there", "a"), "absolute": filepath.Join(dir, "there", "b")} {
		link := filepath.Join(dir, name)
		must(t, os.Symlink(target, link))
		must(t, CheckWritable(link))
		must(t, Replace(link, []byte("x")))
		if got, err := os.Readlink(link); err != nil || got != target {
			t.Errorf("%s: %q, %v", name, got, err)
		}
		if got, err := os.ReadFile(link); err != nil || string(got) != "x" {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

func TestReplacedFileHasTheGroupThatItsDirectoryGives(t *testing.T) {
	group := -1
	groups, err := os.Getgroups()
	must(t, err)
	for _, g := range append(groups, 4711) {
		if g != os.Getegid() && os.Chown(t.TempDir(), -1, g) == nil {
			group = g
		}
	}
	if group < 0 {
		t.Skip("this user has one group only")
	}
	dir := t.TempDir()
	must(t, os.Chown(dir, -1, group))
	must(t, os.Chmod(dir, 0o770|fs.ModeSetgid))
	file := filepath.Join(dir, "wishes.txt")
	for range 2 { // a new one and one that is there
		must(t, Replace(file, []byte("x")))
		info, err := os.Stat(file)
		must(t, err)
		if got := info.Sys().(*syscall.Stat_t).Gid; int(got) != group {
			t.Errorf("group %d, want %d", got, group)
		}
	}
}

func TestLockIsForAllThatTheFileIsFor(t *testing.T) {
	umask(t, 0o077)
	file := filepath.Join(t.TempDir(), "wishes.txt")
	must(t, os.WriteFile(file, nil, 0o600))
	must(t, os.Chmod(file, 0o666))
	unlock, err := Lock(file)
	must(t, err)
	unlock()
	if info, err := os.Stat(filepath.Join(filepath.Dir(file), ".wishes.txt.lock")); err != nil || info.Mode() != 0o666 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}
