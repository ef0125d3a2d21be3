package userfile

import (
	"os"

	"github.com/gofrs/flock"
)

// TryLock locks a file, and returns what unlocks it; nil if another has the lock. Who has it may remove the file: a lock of
// a file that has another name, or none, is no lock. The flag is os.O_CREATE if the file is to be made, or 0.
func TryLock(name string, flag int) (unlock func(), err error) {
	for {
		l := flock.New(name, flock.SetFlag(os.O_RDWR|flag))
		if locked, err := l.TryLock(); err != nil || !locked {
			return nil, err
		}
		held, err := l.Stat()
		there, e := os.Stat(name)
		if err == nil && e == nil && os.SameFile(held, there) {
			return func() { _ = l.Unlock() }, nil
		}
		_ = l.Unlock()
	}
}
