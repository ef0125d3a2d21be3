// Package ci checks the examples beside it by what reads them: Kubernetes' types and its restricted Pod Security Standard,
// Tekton's own validation, and the reader of workflows that runners of Gitea and Forgejo are built on. What the examples do
// is tested in e2e. It is a module of its own, for what these readers need.
package ci

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/nektos/act/pkg/model"
	"github.com/santhosh-tekuri/jsonschema/v6"
	tekton "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
	"sigs.k8s.io/yaml"
)

func read(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func decode(t *testing.T, data []byte, v any) {
	t.Helper()
	if err := yaml.UnmarshalStrict(data, v); err != nil {
		t.Fatal(err)
	}
}

// jenkinsPod is the pod in the Jenkinsfile.
func jenkinsPod(t *testing.T) []byte {
	t.Helper()
	_, rest, _ := bytes.Cut(read(t, "Jenkinsfile"), []byte("yaml '''\n"))
	text, _, found := bytes.Cut(rest, []byte("'''"))
	if !found {
		t.Fatal("there is no pod in the Jenkinsfile")
	}
	return text
}

// wantRestricted checks a pod as an API server does whose namespace enforces the restricted standard, and its shim.
func wantRestricted(t *testing.T, pod *corev1.Pod) {
	t.Helper()
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		t.Fatal(err)
	}
	restricted := api.LevelVersion{Level: api.LevelRestricted, Version: api.LatestVersion()}
	results := policy.AggregateCheckResults(evaluator.EvaluatePod(restricted, &pod.ObjectMeta, &pod.Spec))
	if !results.Allowed {
		t.Errorf("%s", results.ForbiddenDetail())
	}
	i := slices.IndexFunc(containers(pod), func(c corev1.Container) bool { return c.Name == "modferry" })
	if i < 0 {
		t.Fatal("there is no shim")
	}
	shim := containers(pod)[i]
	if c := shim.SecurityContext; c == nil || c.ReadOnlyRootFilesystem == nil || !*c.ReadOnlyRootFilesystem {
		t.Error("the shim's root can be written to")
	}
	mounted := func(path string) bool {
		return slices.ContainsFunc(shim.VolumeMounts, func(m corev1.VolumeMount) bool { return m.MountPath == path })
	}
	if !mounted("/var/cache/modferry") || !strings.Contains(string(read(t, "../../Dockerfile")), "MODFERRY_CACHE=/var/cache/modferry") {
		t.Error("the shim's cache is on the root")
	}
	for _, c := range containers(pod) {
		for _, m := range c.VolumeMounts {
			if !slices.ContainsFunc(pod.Spec.Volumes, func(v corev1.Volume) bool { return v.Name == m.Name }) {
				t.Errorf("%s mounts a volume %s that is not there", c.Name, m.Name)
			}
		}
	}
}

func containers(pod *corev1.Pod) []corev1.Container {
	return append(slices.Clone(pod.Spec.InitContainers), pod.Spec.Containers...)
}

func TestPodsAreRestricted(t *testing.T) {
	for name, data := range map[string][]byte{"pod.yaml": read(t, "pod.yaml"), "Jenkinsfile": jenkinsPod(t)} {
		t.Run(name, func(t *testing.T) {
			var pod corev1.Pod
			decode(t, data, &pod)
			if name == "Jenkinsfile" && !slices.ContainsFunc(pod.Spec.Containers, func(c corev1.Container) bool { return c.Name == "jnlp" }) {
				t.Error("the plugin adds an agent that is not restricted")
			}
			wantRestricted(t, &pod)
		})
	}
}

func TestTheSidecarStartsFirstAndIsAwaited(t *testing.T) {
	var pod corev1.Pod
	decode(t, read(t, "pod.yaml"), &pod)
	c := pod.Spec.InitContainers[0]
	if c.RestartPolicy == nil || *c.RestartPolicy != corev1.ContainerRestartPolicyAlways || c.StartupProbe == nil || c.StartupProbe.Exec == nil {
		t.Errorf("no sidecar, or none with a startup probe: %+v", c)
	}
}

func readTask(t *testing.T) *tekton.Task {
	t.Helper()
	task := new(tekton.Task)
	decode(t, read(t, "tekton.yaml"), task)
	task.SetDefaults(context.Background())
	return task
}

func TestTektonTakesTheTask(t *testing.T) {
	task := readTask(t)
	if err := task.Validate(context.Background()); err != nil {
		t.Error(err)
	}
	// Steps begin once sidecars are ready: without a probe that is when they have been started.
	if task.Spec.Sidecars[0].ReadinessProbe == nil {
		t.Error("nothing says when the shim is ready")
	}
	task.Spec.Steps[0].Script += " $(params.unknown)"
	if err := task.Validate(context.Background()); err == nil {
		t.Error("Tekton validates nothing")
	}
}

func TestPodsOfTheTaskAreRestricted(t *testing.T) {
	task := readTask(t)
	steps, err := tekton.MergeStepsWithStepTemplate(task.Spec.StepTemplate, task.Spec.Steps)
	if err != nil {
		t.Fatal(err)
	}
	pod := &corev1.Pod{Spec: corev1.PodSpec{Volumes: task.Spec.Volumes}}
	for _, s := range steps {
		pod.Spec.Containers = append(pod.Spec.Containers, *s.ToK8sContainer())
	}
	for _, s := range task.Spec.Sidecars {
		pod.Spec.Containers = append(pod.Spec.Containers, *s.ToK8sContainer())
	}
	wantRestricted(t, pod)
}

func TestRunnersOfGiteaReadTheWorkflow(t *testing.T) {
	data := read(t, "gitea.yml")
	w, err := model.ReadWorkflow(bytes.NewReader(data), true)
	if err != nil {
		t.Fatal(err)
	}
	job := w.GetJob("test")
	if job == nil || job.Services["modferry"] == nil || len(job.Steps) == 0 {
		t.Errorf("the job is not what it should be: %+v", job)
	}
	broken := bytes.Replace(data, []byte("services:"), []byte("sidecars:"), 1)
	if _, err := model.ReadWorkflow(bytes.NewReader(broken), true); err == nil {
		t.Error("the reader takes anything")
	}
}

// gitlabSchema is GitLab's own JSON schema of .gitlab-ci.yml, as the npm package gitlab-ci-local carries it.
func gitlabSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	for _, tool := range []string{"npm", "node", "tar"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is not installed", tool)
		}
	}
	sh := exec.Command("sh", "-ec", `npm pack --silent gitlab-ci-local@4.56.2 >/dev/null && tar xzf *.tgz &&
		node -e 'import("./package/src/schema/schema.js").then(m => console.log(JSON.stringify(m.schema)))'`)
	sh.Dir = t.TempDir()
	sh.Stderr = os.Stderr
	out, err := sh.Output()
	if err != nil {
		t.Fatal(err)
	}
	tree, err := jsonschema.UnmarshalJSON(bytes.NewReader(out))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("gitlab.json", tree); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("gitlab.json")
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

func TestGitLabsSchemaAllowsTheFiles(t *testing.T) {
	schema := gitlabSchema(t)
	validate := func(data []byte) error {
		var tree any
		if err := yaml.Unmarshal(data, &tree); err != nil {
			return err
		}
		return schema.Validate(tree)
	}
	for _, name := range []string{"gitlab-ci.yml", "gitlab-mirror.yml"} {
		if err := validate(read(t, name)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, word := range []string{"alias:", "artifacts:", "when: on_failure"} {
		broken := bytes.Replace(read(t, "gitlab-ci.yml"), []byte(word), []byte("x"+word+"x"), 1)
		if err := validate(broken); err == nil {
			t.Errorf("the schema allows x%sx", word)
		}
	}
}
