package reload

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

func TestAValueFollowsItsFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "number")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	reads := 0
	var log bytes.Buffer
	write("1")
	v, err := New(slog.New(slog.NewTextHandler(&log, nil)), func() (int, error) {
		reads++
		data, err := os.ReadFile(file)
		if err != nil {
			return 0, err
		}
		return strconv.Atoi(string(data))
	}, file)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	v.now = func() time.Time { return now }
	v.looked = now
	for _, step := range []struct {
		name   string
		text   string
		after  time.Duration
		want   int
		reads  int
		broken bool
	}{
		{"at once, nobody looks", "22", 0, 1, 1, false},
		{"later it is read", "22", time.Minute, 22, 2, false},
		{"once", "22", time.Minute, 22, 2, false},
		{"what is broken leaves it", "three", time.Minute, 22, 3, true},
		{"and is read once", "three", time.Minute, 22, 3, true},
		{"until it is mended", "4444", time.Minute, 4444, 4, false},
	} {
		if data, _ := os.ReadFile(file); string(data) != step.text {
			write(step.text)
		}
		now = now.Add(step.after)
		if got := v.Get(); got != step.want || reads != step.reads || (v.Err() != nil) != step.broken {
			t.Errorf("%s: %d after %d reads, %v", step.name, got, reads, v.Err())
		}
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	now = now.Add(time.Minute)
	if got := v.Get(); got != 4444 || v.Err() == nil || strings.Count(log.String(), "stays in force") != 2 {
		t.Errorf("without its file: %d, %v, %s", got, v.Err(), log.String())
	}
}

// Hashes of passwords have the same length, and tools that copy files keep their times.
func TestAFileOfTheSameSizeAndTimeIsReadAgain(t *testing.T) {
	file := filepath.Join(t.TempDir(), "number")
	written := time.Now().Add(-time.Hour).Truncate(time.Second)
	write := func(text string) {
		t.Helper()
		err := os.WriteFile(file+".new", []byte(text), 0o600)
		if err == nil {
			err = os.Chtimes(file+".new", written, written)
		}
		if err == nil {
			err = os.Rename(file+".new", file)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	write("1")
	v, err := New(slog.New(slog.DiscardHandler), func() (string, error) {
		data, err := os.ReadFile(file)
		return string(data), err
	}, file)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now().Add(time.Minute)
	v.now = func() time.Time { return now }
	write("2")
	if got := v.Get(); got != "2" {
		t.Errorf("it is %s still", got)
	}
}

// A volume of Kubernetes is replaced whole: its files are links through ..data, which is moved to another directory.
func TestAVolumeOfKubernetesIsReadAgain(t *testing.T) {
	dir := t.TempDir()
	replace := func(version string) {
		t.Helper()
		err := os.Mkdir(filepath.Join(dir, ".."+version), 0o755)
		for _, name := range []string{"cert", "key"} {
			if err == nil {
				err = os.WriteFile(filepath.Join(dir, ".."+version, name), []byte(version), 0o440)
			}
		}
		if err == nil {
			err = os.Symlink(".."+version, filepath.Join(dir, "..data_tmp"))
		}
		if err == nil {
			err = os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data"))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	replace("1")
	cert, key := filepath.Join(dir, "cert"), filepath.Join(dir, "key")
	for _, file := range []string{cert, key} {
		if err := os.Symlink(filepath.Join("..data", filepath.Base(file)), file); err != nil {
			t.Fatal(err)
		}
	}
	meanwhile := func() {} // between the files of a pair
	v, err := New(slog.New(slog.DiscardHandler), func() (string, error) {
		a, err := os.ReadFile(cert)
		meanwhile()
		b, err2 := os.ReadFile(key)
		if err == nil && err2 == nil && !bytes.Equal(a, b) {
			err = errors.New("they do not fit")
		}
		return string(a), errors.Join(err, err2)
	}, cert, key)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	v.now = func() time.Time { now = now.Add(time.Minute); return now }
	want := func(value string, broken bool) {
		t.Helper()
		if got := v.Get(); got != value || (v.err != nil) != broken {
			t.Errorf("it is %s, %v", got, v.err)
		}
	}
	want("1", false)
	replace("2")
	if err := os.RemoveAll(filepath.Join(dir, "..1")); err != nil {
		t.Fatal(err)
	}
	want("2", false)
	replace("3")
	meanwhile = func() { replace("4"); meanwhile = func() {} }
	want("2", true) // a pair of two versions is none
	want("4", false)
}

func TestAValueThatCannotBeReadAtFirstIsAnError(t *testing.T) {
	if _, err := New(slog.Default(), func() (int, error) { return strconv.Atoi("x") }); err == nil {
		t.Error("no error")
	}
}
