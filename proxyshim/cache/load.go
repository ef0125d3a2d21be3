package cache

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"time"

	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact/goproxy"
)

// maxVerdict bounds what is read of a verdict or a stored listing, in bytes.
const maxVerdict = 16 << 20

// load returns what the directory has of m from an earlier process or another
// one, or nil when there is nothing that can be believed: it has to come from
// the same store and to have been accepted by the same verifier.
func (c *Cache) Load(m module.Version, store, verifier string) *Entry {
	name, err := goproxy.Base(m)
	if err != nil {
		return nil
	}
	file := c.Path(name)
	var v Verdict
	used, err := ReadJSON(file+verdictExt, &v)
	if err != nil || v.Format != VerdictFormat || v.Module != m || v.Store != store || v.Verifier != verifier {
		return nil
	}
	if !intact(file+InfoExt, v.Info, v.InfoDigest) || !intact(file+ModExt, v.Mod, v.ModDigest) {
		return nil
	}
	if fi, err := os.Stat(file + ZipExt); err != nil || stampOf(fi) != v.Zip {
		v.Zip = stamp{}
	}
	return c.remember(&Entry{Verdict: v, file: file}, used)
}

// intact reports whether a small file is the one that was checked.
func intact(name string, want stamp, digest string) bool {
	fi, err := os.Stat(name)
	if err != nil || stampOf(fi) != want {
		return false
	}
	data, err := os.ReadFile(name)
	return err == nil && hexDigest(data) == digest
}

func hexDigest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// readJSON decodes a file and returns its modification time.
func ReadJSON(name string, v any) (time.Time, error) {
	fi, err := os.Stat(name)
	if err != nil {
		return time.Time{}, err
	}
	if fi.Size() > maxVerdict {
		return time.Time{}, ErrUnverified
	}
	data, err := os.ReadFile(name)
	if err != nil {
		return time.Time{}, err
	}
	return fi.ModTime(), json.Unmarshal(data, v)
}
