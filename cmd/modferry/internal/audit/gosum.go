package audit

import (
	"fmt"
	"os"

	"github.com/modferry/modferry/registry/project"
	"github.com/modferry/modferry/registry/requirement"
)

// ReadGoSum returns what a go.sum file requires, by path and version. A line that is malformed, or that contradicts
// another one, is an error.
func ReadGoSum(name string) ([]requirement.Requirement, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	return parseGoSum(name, data)
}

func parseGoSum(name string, data []byte) ([]requirement.Requirement, error) {
	lines, problems := project.ParseSums(name, data)
	if len(problems) > 0 {
		return nil, problems[0]
	}
	set := make(requirement.Set)
	for _, l := range lines {
		if other := set.Add(l); other != nil {
			return nil, fmt.Errorf("%s: %v has another sum at %s", l.From, l.Module, other.From)
		}
	}
	return set.Sorted(), nil
}
