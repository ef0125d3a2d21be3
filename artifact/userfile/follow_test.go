//go:build unix

package userfile

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// pair is two numbers of two files of a directory, which belong together.
type pair struct{ a, b int }

// followedDir is a directory with a pair that is followed.
type followedDir struct {
	t     *testing.T
	dir   string
	log   bytes.Buffer
	loads int
	now   time.Time
	value *Value[pair]
}

// follow writes both numbers, an hour ago, and follows them.
func follow(t *testing.T, text string) *followedDir {
	t.Helper()
	d := &followedDir{t: t, dir: t.TempDir(), now: time.Now()}
	d.write("a", text)
	d.write("b", text)
	d.open()
	return d
}

func (d *followedDir) open() {
	d.t.Helper()
	var err error
	d.value, err = Follow(FollowOptions[pair]{
		What: "pair", File: "a", Limit: 8, Load: d.load, Log: slog.New(slog.NewTextHandler(&d.log, nil)),
	})
	must(d.t, err)
	d.value.now = func() time.Time { return d.now }
	d.value.read = d.now
}

func (d *followedDir) load(read func(string) ([]byte, error)) (p pair, err error) {
	d.loads++
	for _, f := range []struct {
		name string
		into *int
	}{{"a", &p.a}, {"b", &p.b}} {
		data, err := read(d.path(f.name))
		if err != nil {
			return p, err
		}
		if *f.into, err = strconv.Atoi(string(data)); err != nil {
			return p, err
		}
	}
	return p, nil
}

func (d *followedDir) path(name string) string { return filepath.Join(d.dir, name) }

// write writes a file in place, with the time that it always has: as tools do that copy files and keep their times.
func (d *followedDir) write(name, text string) {
	d.t.Helper()
	hour := d.now.Add(-time.Hour).Truncate(time.Hour)
	must(d.t, errors.Join(os.WriteFile(d.path(name), []byte(text), 0o600), os.Chtimes(d.path(name), hour, hour)))
}

// publish puts both numbers into a new volume of Kubernetes: all files at once, behind the link ..data.
func (d *followedDir) publish(volume, a, b string) {
	d.t.Helper()
	must(d.t, os.Mkdir(d.path(volume), 0o700))
	d.write(volume+"/a", a)
	d.write(volume+"/b", b)
	must(d.t, errors.Join(os.Symlink(volume, d.path("..data_tmp")), os.Rename(d.path("..data_tmp"), d.path("..data"))))
}

func TestAValueFollowsItsFiles(t *testing.T) {
	for name, tt := range map[string]struct {
		after  time.Duration
		change func(d *followedDir)
	}{
		"another size, at once": {0, func(d *followedDir) { d.write("b", "22") }},
		"another time, at once": {0, func(d *followedDir) { must(d.t, os.WriteFile(d.path("b"), []byte("2"), 0o600)) }},
		"renamed with equal size and time, at once": {0, func(d *followedDir) {
			d.write("new", "2")
			must(d.t, os.Rename(d.path("new"), d.path("b")))
		}},
		"written in place with equal size and time, a second later": {time.Second, func(d *followedDir) { d.write("b", "2") }},
	} {
		t.Run(name, func(t *testing.T) {
			d := follow(t, "1")
			tt.change(d)
			d.now = d.now.Add(tt.after)
			if got := d.value.Get(); got.a != 1 || got.b == 1 || d.loads != 2 || d.value.Fault() != nil {
				t.Errorf("%v after %d loads, %v", got, d.loads, d.value.Fault())
			}
			if n := strings.Count(d.log.String(), "the pair was changed and is in force"); n != 1 {
				t.Errorf("logged %d times: %s", n, &d.log)
			}
		})
	}
}

func TestAValueBehindLinksIsThatOfOneVolume(t *testing.T) {
	d := &followedDir{t: t, dir: t.TempDir(), now: time.Now()}
	d.publish("..1", "1", "1")
	must(t, errors.Join(os.Symlink("..data/a", d.path("a")), os.Symlink("..data/b", d.path("b"))))
	d.open()
	d.publish("..2", "2", "2") // of equal sizes and times
	if got := d.value.Get(); got != (pair{2, 2}) {
		t.Errorf("%v", got)
	}
	// A third volume comes while the second one's successor is read: between its two files.
	d.publish("..3", "3", "3")
	load := d.value.Load
	d.value.Load = func(read func(string) ([]byte, error)) (pair, error) {
		return load(func(name string) ([]byte, error) {
			data, err := read(name)
			if d.value.Load = load; filepath.Base(name) == "a" && string(data) == "3" {
				d.publish("..4", "4", "4")
			}
			return data, err
		})
	}
	if got := d.value.Get(); got != (pair{4, 4}) {
		t.Errorf("read between two volumes, it is %v", got)
	}
}

func TestFilesThatBreakLeaveTheValueBeforeInForce(t *testing.T) {
	for name, tt := range map[string]struct {
		spoil func(d *followedDir)
		says  string
	}{
		"with something wrong in it": {func(d *followedDir) { d.write("b", "two") }, "invalid syntax"},
		"gone":                       {func(d *followedDir) { must(d.t, os.Remove(d.path("b"))) }, "no such file"},
		"too large":                  {func(d *followedDir) { d.write("b", "123456789") }, "too large, over 8 bytes"},
		"a directory": {func(d *followedDir) {
			must(d.t, errors.Join(os.Remove(d.path("b")), os.Mkdir(d.path("b"), 0o700)))
		}, "not a regular file"},
	} {
		t.Run(name, func(t *testing.T) {
			d := follow(t, "1")
			tt.spoil(d)
			for range 3 {
				d.now = d.now.Add(time.Minute)
				if got := d.value.Get(); got != (pair{1, 1}) {
					t.Errorf("it is %v", got)
				}
			}
			if err := d.value.Fault(); err == nil || !strings.Contains(err.Error(), tt.says) || d.loads != 2 {
				t.Errorf("%v after %d loads", err, d.loads)
			}
			if n := strings.Count(d.log.String(), "level=ERROR"); n != 1 {
				t.Errorf("logged %d times: %s", n, &d.log)
			}
			_ = os.Remove(d.path("b"))
			d.write("b", "1")
			if got := d.value.Get(); got != (pair{1, 1}) || d.value.Fault() != nil {
				t.Errorf("mended, it is %v, %v", got, d.value.Fault())
			}
		})
	}
}

func TestFilesThatStayAreNotLoadedAgain(t *testing.T) {
	d := follow(t, "1")
	for range 10 {
		d.now = d.now.Add(time.Minute)
		d.value.Get()
	}
	if d.loads != 1 {
		t.Errorf("%d loads", d.loads)
	}
	changed := 0
	d.value.Changed = func(p pair) { changed += p.b }
	d.write("b", "22")
	if d.value.Get(); changed != 22 {
		t.Errorf("told of %d", changed)
	}
}

func TestAValueThatCannotBeLoadedAtFirstIsAnError(t *testing.T) {
	_, err := Follow(FollowOptions[int]{What: "number", File: "x", Load: func(func(string) ([]byte, error)) (int, error) { return strconv.Atoi("x") }})
	if !errors.Is(err, strconv.ErrSyntax) {
		t.Error(err)
	}
}
