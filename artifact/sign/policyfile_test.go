package sign

import (
	"bytes"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/module"
)

// policyDir is a directory with a policy and the keys that it names.
type policyDir struct {
	*policyBench
	dir string
	log bytes.Buffer
}

func newPolicyDir(t *testing.T, text string) *policyDir {
	t.Helper()
	d := &policyDir{policyBench: newPolicyBench(t), dir: t.TempDir()}
	for _, name := range []string{"a.pub", "b.pub", "c.pub", "again.pub"} {
		key, err := d.read("etc/" + name)
		if err != nil {
			t.Fatal(err)
		}
		d.write(name, string(key))
	}
	d.write("policy.yaml", policyKeys+text)
	return d
}

func (d *policyDir) path(name string) string { return filepath.Join(d.dir, name) }

// write writes a file in place, as an editor may.
func (d *policyDir) write(name, text string) {
	d.t.Helper()
	if err := os.WriteFile(d.path(name), []byte(text), 0o600); err != nil {
		d.t.Fatal(err)
	}
}

func (d *policyDir) open() *PolicyFile {
	d.t.Helper()
	f, err := OpenPolicy(d.path("policy.yaml"), PolicyFileOptions{
		Log: slog.New(slog.NewTextHandler(&d.log, nil)), Now: func() time.Time { return d.now },
	})
	if err != nil {
		d.t.Fatal(err)
	}
	return f
}

// accepts reports whether what counts now accepts what these have signed.
func (d *policyDir) accepts(f *PolicyFile, signers ...*Signer) bool {
	d.t.Helper()
	var sigs []Signature
	for _, s := range signers {
		sigs = append(sigs, mustSign(d.t, s))
	}
	_, err := f.Current().Verify(d.t.Context(), subject, sigs)
	if err != nil && !errors.Is(err, ErrUntrusted) && !errors.Is(err, ErrForbidden) {
		d.t.Fatal(err)
	}
	return err == nil
}

const (
	byA = "rules: [{modules: ['**'], signedBy: {anyOf: [a]}}]\n"
	byB = "rules: [{modules: ['**'], signedBy: {anyOf: [b]}}]\n" // as many bytes
)

func TestAPolicyFileThatChangesCountsAtOnce(t *testing.T) {
	for name, change := range map[string]func(d *policyDir){
		"written in place, with as many bytes": func(d *policyDir) { d.write("policy.yaml", policyKeys+byB) },
		"written in place, with the time kept": func(d *policyDir) {
			info, err := os.Stat(d.path("policy.yaml"))
			if err != nil {
				d.t.Fatal(err)
			}
			d.write("policy.yaml", policyKeys+byB)
			if err := os.Chtimes(d.path("policy.yaml"), info.ModTime(), info.ModTime()); err != nil {
				d.t.Fatal(err)
			}
		},
		"replaced by another file": func(d *policyDir) {
			d.write("new", policyKeys+byB)
			if err := os.Rename(d.path("new"), d.path("policy.yaml")); err != nil {
				d.t.Fatal(err)
			}
		},
		"its key replaced": func(d *policyDir) { d.write("a.pub", string(d.b.PublicKey())) },
	} {
		t.Run(name, func(t *testing.T) {
			d := newPolicyDir(t, byA)
			f := d.open()
			if !d.accepts(f, d.a) || d.accepts(f, d.b) {
				t.Fatal("the policy does not count as it was read")
			}
			change(d)
			if d.accepts(f, d.a) || !d.accepts(f, d.b) || f.Fault() != nil {
				t.Errorf("the change does not count: %v", f.Fault())
			}
			if n := strings.Count(d.log.String(), "was changed and is in force"); n != 1 {
				t.Errorf("it was logged %d times:\n%s", n, &d.log)
			}
		})
	}
}

// A volume of Kubernetes has links by way of ..data, which is what is replaced, all files at once.
func TestAPolicyInAVolumeIsReplacedWithItsKeys(t *testing.T) {
	d := newPolicyDir(t, byA)
	publish := func(version, text string, key []byte) {
		t.Helper()
		for _, step := range []func() error{
			func() error { return os.Mkdir(d.path(version), 0o700) },
			func() error { return os.WriteFile(d.path(version+"/policy.yaml"), []byte(text), 0o600) },
			func() error { return os.WriteFile(d.path(version+"/a.pub"), key, 0o600) },
			func() error { return os.Symlink(version, d.path("..data_tmp")) },
			func() error { return os.Rename(d.path("..data_tmp"), d.path("..data")) },
		} {
			if err := step(); err != nil {
				t.Fatal(err)
			}
		}
	}
	policy := "version: 1\nkeys: {a: {file: a.pub}}\n" + byA
	publish("..2026_11_29_1", policy, d.a.PublicKey())
	for _, name := range []string{"policy.yaml", "a.pub"} {
		if err := errors.Join(os.Remove(d.path(name)), os.Symlink("..data/"+name, d.path(name))); err != nil {
			t.Fatal(err)
		}
	}
	f := d.open()
	if !d.accepts(f, d.a) {
		t.Fatal("not accepted")
	}
	publish("..2026_11_29_2", policy, d.b.PublicKey())
	if d.accepts(f, d.a) || !d.accepts(f, d.b) {
		t.Error("the new volume does not count")
	}
	publish("..2026_11_29_3", "", d.b.PublicKey())
	if !d.accepts(f, d.b) || f.Fault() == nil {
		t.Error("an empty file in the volume does not leave the one before in force")
	}
}

func TestAPolicyFileThatBreaksLeavesTheOneBeforeInForce(t *testing.T) {
	for name, tt := range map[string]struct {
		spoil func(d *policyDir)
		says  string
	}{
		"empty":          {func(d *policyDir) { d.write("policy.yaml", "") }, "the file is empty"},
		"broken":         {func(d *policyDir) { d.write("policy.yaml", policyKeys+"rules: [") }, "this is not YAML"},
		"without rules":  {func(d *policyDir) { d.write("policy.yaml", policyKeys) }, "there are no rules"},
		"cut off":        {func(d *policyDir) { d.write("policy.yaml", policyKeys+byB[:40]) }, "this is not YAML"},
		"a typing error": {func(d *policyDir) { d.write("policy.yaml", policyKeys+strings.Replace(byB, "anyOf", "anyof", 1)) }, "did you mean anyOf?"},
		"gone":           {func(d *policyDir) { _ = os.Remove(d.path("policy.yaml")) }, "no such file"},
		"a key gone":     {func(d *policyDir) { _ = os.Remove(d.path("b.pub")) }, "b.pub: no such file"},
		"a key emptied":  {func(d *policyDir) { d.write("a.pub", "") }, "there is no PEM block"},
		"a directory":    {func(d *policyDir) { _ = os.Remove(d.path("policy.yaml")); _ = os.Mkdir(d.path("policy.yaml"), 0o700) }, "is not a regular file"},
		"a link to nothing": {func(d *policyDir) {
			_ = os.Remove(d.path("policy.yaml"))
			_ = os.Symlink("gone", d.path("policy.yaml"))
		}, "no such file"},
	} {
		t.Run(name, func(t *testing.T) {
			d := newPolicyDir(t, byA)
			f := d.open()
			tt.spoil(d)
			for range 3 {
				if !d.accepts(f, d.a) || d.accepts(f, d.b) {
					t.Error("the policy before does not count")
				}
			}
			if err := f.Fault(); err == nil || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("fault %v, want %q", err, tt.says)
			}
			if n := strings.Count(d.log.String(), "level=ERROR"); n != 1 {
				t.Errorf("it was logged %d times:\n%s", n, &d.log)
			}
			_ = os.Remove(d.path("policy.yaml"))
			for _, key := range []string{"a.pub", "b.pub"} {
				data, _ := d.read("etc/" + key)
				d.write(key, string(data))
			}
			d.write("policy.yaml", policyKeys+byA)
			if !d.accepts(f, d.a) || f.Fault() != nil {
				t.Errorf("mended, and not in force: %v", f.Fault())
			}
		})
	}
}

func TestExpiredKeysAreAnErrorAtStart(t *testing.T) {
	d := newPolicyDir(t, byA)
	d.now = time.Date(2028, 1, 1, 0, 0, 0, 0, time.UTC)
	_, err := LoadPolicy(d.path("policy.yaml"), func() time.Time { return d.now })
	if err == nil || !strings.Contains(err.Error(), "policy.yaml:2: keys: a: it expired on 2027-12-31: renew it, or take it out") {
		t.Error(err)
	}
	if _, err := LoadPolicy(d.path("missing.yaml"), nil); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "trust policy: ") {
		t.Error(err)
	}
}

// Otherwise nothing could be denied in a hurry where an old key is still in the file.
func TestKeysThatExpireWhileRunningStopCountingAndKeepNoChangeOut(t *testing.T) {
	d := newPolicyDir(t, "rules: [{modules: ['**'], signedBy: {anyOf: [a, b]}}]\n")
	f := d.open()
	d.now = time.Date(2028, 1, 1, 0, 0, 0, 0, time.UTC)
	if d.accepts(f, d.a) || !d.accepts(f, d.b) {
		t.Error("the key still counts")
	}
	d.write("policy.yaml", policyKeys+"rules: [{modules: ['**'], signedBy: {anyOf: [a, b]}}]\ndeny: [{modules: [example.com/evil]}]\n")
	if err := f.Current().Deny(Subject{Module: module.Version{Path: "example.com/evil", Version: "v1.0.0"}}); !errors.Is(err, ErrForbidden) {
		t.Errorf("what is denied since the key expired is not: %v", err)
	}
	if d.accepts(f, d.a) || !d.accepts(f, d.b) || f.Fault() != nil || !strings.Contains(d.log.String(), "it expired on 2027-12-31") {
		t.Errorf("fault %v, log\n%s", f.Fault(), &d.log)
	}
}

func TestAFileThatDoesNotChangeIsNotReadAgain(t *testing.T) {
	d := newPolicyDir(t, byA)
	long := time.Now().Add(-time.Hour)
	for _, name := range []string{"policy.yaml", "a.pub", "b.pub", "c.pub", "again.pub"} {
		if err := os.Chtimes(d.path(name), long, long); err != nil {
			t.Fatal(err)
		}
	}
	f := d.open()
	p := f.Current()
	for range 100 {
		if f.Current() != p {
			t.Fatal("it was parsed again")
		}
	}
}
