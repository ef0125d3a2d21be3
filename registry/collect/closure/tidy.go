package closure

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// isUntidy reports whether "go mod tidy" would change more than to remove lines
// of go.sum, which is no lack.
func (v *view) isUntidy(ctx context.Context, pl place) bool {
	diff, err := v.run(ctx, pl.goCmd, pl.dir, "mod", "tidy", "-diff")
	switch {
	case err == nil:
		return false
	case len(diff) == 0: // it could not find out
		v.warn("tidying a copy", err)
		return true
	case pl.bound:
		return true // nobody can tidy it but here
	}
	changes := changesOf(diff)
	if v.foreign { // its go.sum was removed
		changes = slices.DeleteFunc(changes, func(c change) bool { return c.inSum })
	}
	if lacks(changes) == "" {
		return false
	}
	if v.foreign {
		return true // it is done in a copy, and nobody here can commit it
	}
	advice := "run it and commit the result"
	if slices.ContainsFunc(changes, func(c change) bool { return c.isMadeUp(pl.added) }) {
		changes, advice = asked(changes, pl.added), "it works there in the workspace only: edit its go.mod"
	}
	if lack := lacks(changes); lack != "" {
		v.warn("it is not tidy", fmt.Errorf("\"go mod tidy\" in %s would change %q; it was done in a copy: %s", v.readable(pl.dir), lack, advice))
	}
	return true
}

// localVersion is what the go command requires of a module that it only knows as a directory: here, one of a
// workspace, by another that does not say so and cannot be without it.
const localVersion = "v0.0.0-00010101000000-000000000000"

// change is a line that "go mod tidy" would remove or add.
type change struct {
	line  string // with its + or -
	inSum bool   // of go.sum rather than go.mod
}

// changesOf reads what "go mod tidy -diff" prints.
func changesOf(diff []byte) []change {
	var changes []change
	inSum := false
	for line := range strings.Lines(string(diff)) {
		switch {
		case strings.HasPrefix(line, "diff "):
			inSum = strings.HasSuffix(strings.TrimSpace(line), "go.sum")
		case strings.HasPrefix(line, "--- "), strings.HasPrefix(line, "+++ "):
		case strings.HasPrefix(line, "+"), strings.HasPrefix(line, "-"):
			changes = append(changes, change{strings.TrimSpace(line), inSum})
		}
	}
	return changes
}

// lacks returns the first change that is not the removal of a line of go.sum; "" = there is none.
func lacks(changes []change) string {
	for _, c := range changes {
		if !c.inSum || strings.HasPrefix(c.line, "+") {
			return c.line
		}
	}
	return ""
}

// require returns what a line of go.mod requires, as path and version; "" = nothing, as what begins a block.
func (c change) require() (path, version string) {
	fields := strings.Fields(strings.TrimPrefix(strings.TrimSpace(c.line[1:]), "require "))
	if c.inSum || len(fields) < 2 || fields[1] == "(" {
		return "", ""
	}
	return fields[0], fields[1]
}

// isMadeUp reports whether it adds a requirement of what only the copy of a module says is in a directory.
func (c change) isMadeUp(added map[string]bool) bool {
	path, version := c.require()
	return strings.HasPrefix(c.line, "+") && version == localVersion && added[path]
}

// asked leaves, of the changes to a module that relies on what was added to its copy, those that do not come from that:
// direct requirements that it lacks, or has for nothing. What is added brings along versions, indirect requirements and
// sums.
func asked(changes []change, added map[string]bool) []change {
	sides := make(map[string]int)
	for _, c := range changes {
		path, _ := c.require()
		sides[path]++
	}
	return slices.DeleteFunc(changes, func(c change) bool {
		path, _ := c.require()
		return path == "" || sides[path] > 1 || strings.HasSuffix(c.line, "// indirect") || c.isMadeUp(added)
	})
}
