package collect

import (
	"fmt"
	"maps"
	"slices"

	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact/goproxy"
	"github.com/modferry/modferry/registry/requirement"
	"github.com/modferry/modferry/registry/upstream"
)

// merge leaves each version once, sorted, and of those only the permitted ones. Versions that were
// asked for with different sums are left out altogether.
func (c *collector) merge() {
	byModule := make(map[module.Version]*requirement.Requirement)
	bad := make(map[module.Version]bool)
	for i := range c.items {
		it := &c.items[i]
		have, ok := byModule[it.Module]
		if !ok {
			byModule[it.Module] = it
			continue
		}
		if requirement.Differ(have.Sum, it.Sum) || requirement.Differ(have.GoModSum, it.GoModSum) {
			c.fail("SECURITY: %s: %s and %s have different sums for it: %w", it.Module, have.From, it.From, upstream.ErrChecksum)
			bad[it.Module] = true
			continue
		}
		have.Join(it)
	}
	c.items = nil
	for _, m := range slices.SortedFunc(maps.Keys(byModule), goproxy.Compare) {
		if bad[m] {
			continue
		}
		it := byModule[m]
		if err := c.permits(m); err != nil {
			c.problems = append(c.problems, fmt.Errorf("%s: %w", it.From, err))
			continue
		}
		c.items = append(c.items, *it)
	}
	c.problems = distinct(c.problems)
}

// distinct leaves each message once: projects share modules, and mistakes.
func distinct(problems []error) []error {
	said := make(map[string]bool)
	return slices.DeleteFunc(problems, func(err error) bool {
		if err == nil || said[err.Error()] {
			return true
		}
		said[err.Error()] = true
		return false
	})
}

// fromError says where something bad was asked for, unless the error does.
func fromError(from, asked string, err error) error {
	if from == asked {
		return err
	}
	return fmt.Errorf("%s: %w", from, err)
}
