package sign

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/modferry/modferry/artifact/userfile"
)

// LoadPolicy reads a policy file, and the keys that it names. A key that has expired is an error, too.
func LoadPolicy(name string, now func() time.Time) (*Policy, error) {
	f, err := OpenPolicy(name, PolicyFileOptions{Now: now})
	if err != nil {
		return nil, err
	}
	return f.Current(), nil
}

// PolicyFileOptions configures a PolicyFile.
type PolicyFileOptions struct {
	Log *slog.Logger     // told of every change; nil = discard
	Now func() time.Time // by which keys expire; nil = time.Now
}

// PolicyFile is a policy that follows its file, and those of its keys. It may be used concurrently.
type PolicyFile struct{ value *userfile.Value[*Policy] }

// OpenPolicy reads a policy file, and the keys that it names. A key that has expired is an error, too.
func OpenPolicy(name string, o PolicyFileOptions) (*PolicyFile, error) {
	value, err := userfile.Follow(userfile.FollowOptions[*Policy]{
		What: "trust policy", File: name, Limit: MaxPolicy, Log: o.Log,
		Load: func(read func(string) ([]byte, error)) (*Policy, error) {
			data, err := read(name)
			if err != nil {
				return nil, err
			}
			return ParsePolicy(name, data, read, o.Now)
		},
		Changed: func(p *Policy) {
			if err := p.CheckExpiry(); err != nil && o.Log != nil {
				o.Log.Warn("keys of the trust policy do not count", "file", name, "error", err)
			}
		},
	})
	if err == nil {
		err = value.Get().CheckExpiry()
	}
	if err != nil {
		return nil, fmt.Errorf("trust policy: %w", err)
	}
	return &PolicyFile{value}, nil
}

// Current returns the policy that counts now: what the file says, or what it said when it was last good. See
// [userfile.Value.Get]. A key that has expired meanwhile is no fault of the file: it does not count, and what else has
// changed does.
func (f *PolicyFile) Current() *Policy { return f.value.Get() }

// Fault returns why the file as it is now is not in force, nil if it is.
func (f *PolicyFile) Fault() error { return f.value.Fault() }
