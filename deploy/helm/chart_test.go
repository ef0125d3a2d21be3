// Package helm tries the chart with helm's own library, and what it renders with Kubernetes' own validation and the
// binary that it is for. It is a module of its own, for what that needs.
package helm

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	"helm.sh/helm/v4/pkg/chart/v2/lint"
	"helm.sh/helm/v4/pkg/chart/v2/lint/support"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/engine"
	"sigs.k8s.io/yaml"
)

const (
	chartDir  = "modferry"
	release   = "release-name"
	namespace = "default"
)

// kubeVersion is the oldest that the chart is for.
var kubeVersion = common.KubeVersion{Version: "v1.31.0", Major: "1", Minor: "31"}

// render returns what the templates make of values, by file.
func render(values map[string]any) (map[string]string, error) {
	return renderAs(release, namespace, values)
}

func renderAs(release, namespace string, values map[string]any) (map[string]string, error) {
	chart, err := loader.Load(chartDir)
	if err != nil {
		return nil, err
	}
	caps := common.DefaultCapabilities.Copy()
	caps.KubeVersion = kubeVersion
	options := common.ReleaseOptions{Name: release, Namespace: namespace, IsInstall: true}
	all, err := util.ToRenderValues(chart, values, options, caps)
	if err != nil {
		return nil, err
	}
	return engine.Engine{Strict: true}.RenderWithContext(context.Background(), chart, all)
}

// documents splits what was rendered into the documents that are objects, in the order of their files.
func documents(files map[string]string) []string {
	var docs []string
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if !strings.HasSuffix(name, ".yaml") {
			continue
		}
		for doc := range strings.SplitSeq("\n"+files[name], "\n---") {
			if strings.Contains(doc, "kind:") {
				docs = append(docs, strings.TrimSpace(doc)+"\n")
			}
		}
	}
	return docs
}

func readValues(t *testing.T, name string) map[string]any {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var values map[string]any
	if err := yaml.UnmarshalStrict(data, &values); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return values
}

// eachValues runs a test for each file of values in ci.
func eachValues(t *testing.T, test func(t *testing.T, values map[string]any)) {
	files, err := filepath.Glob(chartDir + "/ci/*-values.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), "-values.yaml")
		t.Run(name, func(t *testing.T) { test(t, readValues(t, file)) })
	}
}

func mustRender(t *testing.T, values map[string]any) map[string]string {
	t.Helper()
	files, err := render(values)
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestLintHasNoWarning(t *testing.T) {
	eachValues(t, func(t *testing.T, values map[string]any) {
		l := lint.RunAll(chartDir, values, namespace, lint.WithKubeVersion(&kubeVersion))
		for _, m := range l.Messages {
			if m.Severity > support.InfoSev {
				t.Error(m)
			}
		}
	})
}
