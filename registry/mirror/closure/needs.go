package closure

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"
)

// needs are what is needed, by module version.
type needs map[module.Version]Need

// add adds a need. Who came first is named as who needs it; a full version stays full.
func (n needs) add(need Need) {
	old, ok := n[need.Module]
	if !ok {
		n[need.Module] = need
		return
	}
	old.ModOnly = old.ModOnly && need.ModOnly
	old.Sum = cmp.Or(old.Sum, need.Sum)
	old.GoModSum = cmp.Or(old.GoModSum, need.GoModSum)
	n[need.Module] = old
}

func (n needs) sorted() []Need {
	return slices.SortedFunc(maps.Values(n), func(a, b Need) int { return compareModules(a.Module, b.Module) })
}

// compareModules is the order of module.Sort.
func compareModules(a, b module.Version) int {
	return cmp.Or(strings.Compare(a.Path, b.Path), semver.Compare(a.Version, b.Version), strings.Compare(a.Version, b.Version))
}

// maxSumFile is the most that is read of a go.sum.
const maxSumFile = 64 << 20

// addSumFile adds what a go.sum lists; name is what messages call it.
//
//	file = { path SP version [ "/go.mod" ] SP sum NL }
//
// As for the go command, sums of other kinds than h1 do not count. Lines that are
// none are warned about.
func (v *view) addSumFile(file, name string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxSumFile+1))
	switch {
	case err != nil:
		return err
	case len(data) > maxSumFile:
		return fmt.Errorf("%s: more than %d MiB", name, maxSumFile>>20)
	}
	n := 0
	for line := range strings.Lines(string(data)) {
		n++
		need, err := parseSumLine(line)
		if err == nil && need.Module.Path == "" {
			continue
		}
		need.From = fmt.Sprintf("%s:%d", name, n)
		if err == nil {
			err = v.needs.contradiction(need)
		}
		if err != nil {
			v.warnings = append(v.warnings, fmt.Errorf("%s: %w", need.From, err))
			continue
		}
		v.needs.add(need)
	}
	return nil
}

// parseSumLine reads a line of a go.sum. It has no module if it does not count.
func parseSumLine(line string) (Need, error) {
	fields := strings.Fields(line)
	if len(fields) == 0 {
		return Need{}, nil
	}
	if len(fields) != 3 {
		return Need{}, fmt.Errorf("not a line of a go.sum: %.100q", strings.TrimSpace(line))
	}
	version, isMod := strings.CutSuffix(fields[1], "/go.mod")
	need := Need{Module: module.Version{Path: fields[0], Version: version}, ModOnly: isMod}
	if !strings.HasPrefix(fields[2], "h1:") {
		return Need{}, nil
	}
	if isMod {
		need.GoModSum = fields[2]
	} else {
		need.Sum = fields[2]
	}
	if err := module.Check(need.Module.Path, version); err != nil {
		return Need{}, err
	}
	if module.CanonicalVersion(version) != version {
		return Need{}, errors.New("the version is not canonical")
	}
	return need, nil
}

// contradiction is an error if another line names another sum of the same file.
func (n needs) contradiction(need Need) error {
	old := n[need.Module]
	for _, sums := range [][2]string{{old.Sum, need.Sum}, {old.GoModSum, need.GoModSum}} {
		if sums[0] != "" && sums[1] != "" && sums[0] != sums[1] {
			return fmt.Errorf("SECURITY: %s has the sum %s here, but %s at %s; one of them is wrong", need.Module, sums[1], sums[0], old.From)
		}
	}
	return nil
}
