package copying

import (
	"errors"
	"slices"

	"golang.org/x/mod/module"

	"github.com/modferry/modferry/cmd/modferry/internal/wishlist"
	"github.com/modferry/modferry/proxyshim"
	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/transfer"
)

// Wishes collects the versions that have to be delivered again, for a file that mirror reads.
type Wishes struct {
	list    *wishlist.List
	modules []module.Version
}

// OpenWishes finds out early whether the file can be written; "" is none.
func OpenWishes(file string) (*Wishes, error) {
	list, err := wishlist.Open(file)
	return &Wishes{list: list}, err
}

// Add adds the version of an event that was damaged or could not be pushed. One that is not to be trusted nobody wishes.
func (w *Wishes) Add(e transfer.Event) {
	if e.Err == nil || e.Item.Kind() != transfer.Version || e.Refused() && !errors.Is(e.Err, registry.ErrCorrupt) {
		return
	}
	path, version := identity(e)
	if path != "" && version != "" {
		w.modules = append(w.modules, module.Version{Path: path, Version: version})
	}
}

// Write adds them to the file.
func (w *Wishes) Write() error {
	module.Sort(w.modules)
	var misses []proxyshim.Miss
	for _, m := range slices.Compact(w.modules) {
		misses = append(misses, proxyshim.Miss{Module: m})
	}
	return w.list.Add(misses)
}
