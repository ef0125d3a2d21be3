package helm

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

var update = flag.Bool("update", false, "write deploy/kubernetes anew, and the chart's copies of files")

const manifestsDir = "../kubernetes"

// helmOnly are labels that are of no use without helm.
var helmOnly = regexp.MustCompile(`(?m)^ *(helm\.sh/chart|app\.kubernetes\.io/managed-by): .*\n`)

// manifests renders the chart with the values of deploy/kubernetes, for use without helm.
func manifests(t *testing.T) map[string]string {
	t.Helper()
	files, err := renderAs("modferry", "modferry", readValues(t, manifestsDir+"/values.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string]string)
	for _, doc := range documents(files) {
		name := regexp.MustCompile(`app\.kubernetes\.io/component: (\w+)`).FindStringSubmatch(doc)[1]
		if strings.HasPrefix(doc, "apiVersion: monitoring.coreos.com/") {
			name = "monitoring"
		}
		if all[name+".yaml"] == "" {
			all[name+".yaml"] = "# Made from deploy/helm by make manifests: change values.yaml here, or the chart.\n"
		}
		all[name+".yaml"] += "---\n" + blank.ReplaceAllString(helmOnly.ReplaceAllString(doc, ""), "")
	}
	return all
}

var blank = regexp.MustCompile(`(?m)^\s*\n`)

func TestManifestsAreUpToDate(t *testing.T) {
	if *update {
		for _, file := range []string{"../prometheus/modferry.rules.yaml", "../grafana/modferry.json"} {
			data, err := os.ReadFile(file)
			if err == nil {
				err = os.WriteFile(filepath.Join(chartDir, "files", filepath.Base(file)), data, 0o644)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, text := range manifests(t) {
		file := filepath.Join(manifestsDir, name)
		if *update {
			if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if have, err := os.ReadFile(file); err != nil || string(have) != text {
			t.Errorf("%s is not what the chart makes (%v): run make manifests", file, err)
		}
	}
}

func TestAnAPIServerTakesTheManifests(t *testing.T) {
	var list struct {
		Resources []string `json:"resources"`
	}
	data, err := os.ReadFile(manifestsDir + "/kustomization.yaml")
	if err == nil {
		err = yaml.Unmarshal(data, &list)
	}
	if err != nil || len(list.Resources) == 0 {
		t.Fatal(err, list)
	}
	for _, name := range append(list.Resources, "mirror.yaml", "sync.yaml", "monitoring.yaml") {
		data, err := os.ReadFile(filepath.Join(manifestsDir, name))
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range objects(t, map[string]string{name: string(data)}) {
			o.Object.(interface{ SetNamespace(string) }).SetNamespace("")
			if warnings, err := create(o); err != nil || len(warnings) > 0 {
				t.Errorf("%s: %v %q:\n%s", name, err, warnings, o.text)
			}
		}
	}
}
