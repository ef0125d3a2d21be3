package sign

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"time"
)

// LoadPolicy reads a policy file, and the keys that it names. A key that has expired is an error, too.
func LoadPolicy(name string, now func() time.Time) (*Policy, error) {
	f, err := OpenPolicy(name, PolicyFileOptions{Now: now})
	if err != nil {
		return nil, err
	}
	return f.policy, nil
}

// PolicyFileOptions configures a PolicyFile.
type PolicyFileOptions struct {
	Log *slog.Logger     // told of every change; nil = discard
	Now func() time.Time // by which keys expire; nil = time.Now
}

// PolicyFile is a policy that follows its file. It may be used concurrently.
type PolicyFile struct {
	name string
	PolicyFileOptions

	mu     sync.Mutex
	policy *Policy
	fault  error        // why the files as they are now are not in force
	files  []policyPart // as they were when they were last read: the policy, and the keys that it names
	read   time.Time    // when that was
}

// policyPart is a file of a policy as it was when it was read.
type policyPart struct {
	name string
	info fs.FileInfo // of what the name led to; nil = it could not be read
	sum  [sha256.Size]byte
}

const (
	// settled is the age at which a file that was read can be relied on to have another time when it is written
	// again: clocks of file systems have ticks, of two seconds at the most.
	settled = 2 * time.Second

	// reread is how often files are read although they seem to be the same, as after a copy that keeps times.
	reread = 10 * time.Second

	// attempts bounds how often files are read that change meanwhile.
	attempts = 3
)

// OpenPolicy reads a policy file, and the keys that it names. A key that has expired is an error, too.
func OpenPolicy(name string, o PolicyFileOptions) (*PolicyFile, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	f := &PolicyFile{name: name, PolicyFileOptions: o}
	p, err := f.load()
	if err == nil {
		err = p.CheckExpiry()
	}
	if err != nil {
		return nil, fmt.Errorf("trust policy: %w", err)
	}
	f.policy = p
	return f, nil
}

// Current returns the policy that counts now: what the file says, or what it said when it was last good. That is
// looked at each time, which takes as long as asking for the state of a few files. A key that has expired meanwhile
// is no fault of the file: it does not count, and what else has changed does.
func (f *PolicyFile) Current() *Policy {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.unchanged() {
		return f.policy
	}
	before := f.files
	p, err := f.load()
	switch {
	case err != nil:
		if f.fault == nil || f.fault.Error() != err.Error() {
			f.Log.Error("the trust policy was changed and is not in force: the one before still is",
				"policy", f.name, "error", err)
		}
		f.fault = err
	case f.fault == nil && equalParts(before, f.files): // written again with the same content
	default:
		f.policy, f.fault = p, nil
		f.Log.Info("the trust policy was changed and is in force", "policy", f.name)
		if err := p.CheckExpiry(); err != nil {
			f.Log.Warn("keys of the trust policy do not count", "policy", f.name, "error", err)
		}
	}
	return f.policy
}

// Fault returns why the file as it is now is not in force, nil if it is.
func (f *PolicyFile) Fault() error {
	f.Current()
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.fault
}

// unchanged reports whether the files are those that were read, as far as that can be told without reading them.
func (f *PolicyFile) unchanged() bool {
	if age := time.Since(f.read); age < 0 || age > reread {
		return false
	}
	for _, part := range f.files {
		info, err := os.Stat(part.name) // what links lead to: a volume of Kubernetes is replaced by moving one
		if err != nil || part.info == nil || !sameFile(info, part.info) || f.read.Sub(info.ModTime()) < settled {
			return false
		}
	}
	return true
}

func sameFile(a, b fs.FileInfo) bool {
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}

func equalParts(a, b []policyPart) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i].name != b[i].name || a[i].sum != b[i].sum {
			return false
		}
	}
	return true
}

// load reads the files, all of one state: of a policy and its keys that are replaced at this moment neither may be
// old.
func (f *PolicyFile) load() (p *Policy, err error) {
	for range attempts {
		f.files, f.read = nil, time.Now()
		var data []byte
		if data, err = f.part(f.name); err == nil {
			p, err = ParsePolicy(f.name, data, f.part, f.Now)
		}
		if f.stayed() {
			break
		}
	}
	return p, err
}

// part reads a file, and records what it is like.
func (f *PolicyFile) part(name string) ([]byte, error) {
	part := policyPart{name: name}
	data, info, err := readPart(name)
	if err == nil {
		part.info, part.sum = info, sha256.Sum256(data)
	}
	f.files = append(f.files, part)
	return data, err
}

func readPart(name string) ([]byte, fs.FileInfo, error) {
	info, err := os.Stat(name)
	if err == nil && !info.Mode().IsRegular() { // opening a pipe would wait for a writer
		err = fmt.Errorf("%s is not a regular file", name)
	}
	if err != nil {
		return nil, nil, err
	}
	file, err := os.Open(name)
	if err != nil {
		return nil, nil, err
	}
	defer file.Close()
	var data bytes.Buffer
	_, err = io.Copy(&data, io.LimitReader(file, MaxPolicy+1))
	if err == nil && data.Len() > MaxPolicy {
		err = errors.New(name + " is too large")
	}
	return data.Bytes(), info, err
}

// stayed reports whether the files that were read are still there.
func (f *PolicyFile) stayed() bool {
	for _, part := range f.files {
		info, err := os.Stat(part.name)
		if (err == nil) != (part.info != nil) || err == nil && !sameFile(info, part.info) {
			return false
		}
	}
	return true
}
