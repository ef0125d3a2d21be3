#!/usr/bin/env bash
# Software: helm v4.3.2, with github.com/santhosh-tekuri/jsonschema/v6 v6.0.3 (which helm v3.22.0 has as well).
# Expected: where a chart's values.schema.json refuses the name of a property ("propertyNames"), the message says below
#           which value it stands, as it does for every other mistake.
# Happens:  the message names another value, one that is all right, and from run to run another one: the location is the
#           validator's own slice, which it goes on writing to (the other kinds of mistake have a copy). The name that is
#           refused is told, and the rule.
# Matters:  a chart that guards labels or file names by propertyNames sends its users to mend what is not broken. Say the same
#           by "patternProperties" with false, or "additionalProperties": false: these are told at their place.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export GOFLAGS="-modcacherw -buildvcs=false" TMPDIR=$work
mkdir "$work/tool"
cd "$work/tool"
printf 'module example.com/tool\n\ngo 1.26.0\n' >go.mod
cat >main.go <<'EOF'
package main

import (
	"fmt"
	"regexp"

	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
)

const byName = `{"properties": {
  "pod": {"properties": {"labels": {"propertyNames": {"pattern": "^[a-z]+$"}}}},
  "other": {"properties": {"a": {"properties": {"b": {"type": "string"}}}}}
}}`

const byPattern = `{"properties": {
  "pod": {"properties": {"labels": {"additionalProperties": false, "patternProperties": {"^[a-z]+$": {}}}}},
  "other": {"properties": {"a": {"properties": {"b": {"type": "string"}}}}}
}}`

// places returns how often a schema's message names which place, of 200 runs.
func places(schema string) map[string]int {
	at := regexp.MustCompile(`at '([^']+)'`)
	found := make(map[string]int)
	for range 200 {
		err := util.ValidateAgainstSingleSchema(common.Values{
			"pod":   map[string]any{"labels": map[string]any{"WRONG": "1"}},
			"other": map[string]any{"a": map[string]any{"b": "all right"}},
		}, []byte(schema))
		found[at.FindStringSubmatch(err.Error())[1]]++
	}
	return found
}

func main() {
	named := places(byName)
	fmt.Println("propertyNames: blamed rightly", named["/pod/labels"] > 0, "and wrongly", named["/other/a"] > 0)
	fmt.Println("patternProperties:", len(places(byPattern)), "place, rightly", places(byPattern)["/pod/labels"] == 200)
}
EOF
go get helm.sh/helm/v4@v4.3.2 2>log || { cat log; exit 2; }
go mod tidy 2>log || { cat log; exit 2; }
go run . | tee out
for want in "propertyNames: blamed rightly true and wrongly true" "patternProperties: 1 place, rightly true"; do
	grep -qxF -- "$want" out || { echo "CHANGED: not \"$want\""; exit 1; }
done
echo "as stated: a name of a property that is refused is told at the place of another value"
