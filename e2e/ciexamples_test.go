package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// ciJob is a job of an example in deploy/ci: what its CI system would run, and with what.
type ciJob struct {
	shim    *ciContainer // beside it; nil = none
	env     map[string]string
	scripts []string // run one after the other
	volumes []ciVolume
	fetches bool // its source itself, into an empty directory
}

// ciContainer is a container as Kubernetes and Tekton have it.
type ciContainer struct {
	Name, Script, RestartPolicy  string
	Command, Args                []string
	Env                          []struct{ Name, Value string }
	StartupProbe, ReadinessProbe struct{ Exec struct{ Command []string } }
	VolumeMounts                 []struct{ Name, MountPath string }

	variables map[string]string // Env, and what others say
}

// probe is the command that says whether the container is ready.
func (c *ciContainer) probe() []string {
	return append(c.StartupProbe.Exec.Command, c.ReadinessProbe.Exec.Command...)
}

type ciVolume struct {
	Name      string
	ConfigMap *struct{ Name string }
	Secret    *struct {
		SecretName string
		Items      []struct{ Key, Path string }
	}
}

type ciPod struct {
	InitContainers, Containers []ciContainer
	Volumes                    []ciVolume
}

// decodeYAML decodes YAML as Kubernetes does, by way of JSON.
func decodeYAML(data []byte, v any) error {
	var tree any
	if err := yaml.Unmarshal(data, &tree); err != nil {
		return err
	}
	text, err := json.Marshal(tree)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, v)
}

// kept are the variables that a CI system keeps, as a group of GitLab's does.
type kept map[string]string

// readJob reads a job of deploy/ci/FILE. The name is that of a job, of a container or of a step.
func readJob(file, name string, vars kept) (*ciJob, error) {
	data, err := os.ReadFile(filepath.Join("../deploy/ci", file))
	if err != nil {
		return nil, err
	}
	var j *ciJob
	switch {
	case strings.HasPrefix(file, "gitlab"):
		j, err = gitlabJob(data, name, vars)
	case file == "Jenkinsfile":
		j, err = jenkinsJob(data, name)
	case file == "tekton.yaml":
		j, err = tektonJob(data, name)
	case file == "gitea.yml":
		j, err = giteaJob(data, name, vars)
	default:
		var pod struct{ Spec ciPod }
		if err = decodeYAML(data, &pod); err == nil {
			j, err = pod.Spec.job(name)
		}
	}
	if err == nil && len(j.scripts) == 0 {
		err = fmt.Errorf("nothing is run by %q", name)
	}
	return j, err
}

// gitlabJob: variables that the file names reach the job and its services, those of the group the job alone.
func gitlabJob(data []byte, name string, vars kept) (*ciJob, error) {
	type job struct {
		Services []struct {
			Alias     string
			Command   []string
			Variables map[string]string
		}
		Variables map[string]string
		Script    []string
	}
	var file struct{ Variables map[string]string }
	var jobs map[string]json.RawMessage
	if err := errors.Join(decodeYAML(data, &file), decodeYAML(data, &jobs)); err != nil {
		return nil, err
	}
	var j job
	if err := json.Unmarshal(jobs[name], &j); err != nil {
		return nil, fmt.Errorf("job %q: %w", name, err)
	}
	named := make(map[string]string)
	for _, v := range []map[string]string{file.Variables, j.Variables} {
		for name, value := range v {
			named[name] = os.Expand(value, func(n string) string { return vars[n] })
		}
	}
	run := &ciJob{env: make(map[string]string), scripts: []string{strings.Join(j.Script, "\n")}}
	maps.Copy(run.env, vars)
	maps.Copy(run.env, named)
	for _, s := range j.Services {
		run.shim = &ciContainer{Name: s.Alias, Args: s.Command, variables: maps.Clone(named)}
		maps.Copy(run.shim.variables, s.Variables)
	}
	return run, nil
}

// giteaJob: a service has what its env says, and the job what its own and its steps' say. No step can be an action: most
// take node, which runners of Gitea and Forgejo look for in the job's image.
func giteaJob(data []byte, name string, vars kept) (*ciJob, error) {
	expression := regexp.MustCompile(`\$\{\{ (?:vars|secrets|github)\.(\w+) \}\}`)
	evaluate := func(env map[string]string) {
		for name, value := range env {
			env[name] = expression.ReplaceAllStringFunc(value, func(e string) string { return vars[expression.FindStringSubmatch(e)[1]] })
		}
	}
	var file struct {
		Jobs map[string]struct {
			Services map[string]struct{ Env map[string]string }
			Env      map[string]string
			Steps    []struct {
				Run, Uses string
				Env       map[string]string
			}
		}
	}
	if err := decodeYAML(data, &file); err != nil {
		return nil, err
	}
	j := &ciJob{env: file.Jobs[name].Env, fetches: true}
	for alias, s := range file.Jobs[name].Services {
		j.shim = &ciContainer{Name: alias, variables: s.Env}
		evaluate(s.Env)
	}
	for _, s := range file.Jobs[name].Steps {
		if s.Uses != "" {
			return nil, fmt.Errorf("%s takes node, which the image does not have", s.Uses)
		}
		evaluate(s.Env)
		maps.Copy(j.env, s.Env)
		j.scripts = append(j.scripts, s.Run)
	}
	return j, nil
}

// jenkinsJob: the steps run in the default container of the pod that the file describes.
func jenkinsJob(data []byte, name string) (*ciJob, error) {
	_, text, _ := strings.Cut(string(data), "yaml '''")
	text, rest, found := strings.Cut(text, "'''")
	if !found || !strings.Contains(string(data), "defaultContainer '"+name+"'") {
		return nil, fmt.Errorf("no pod, or none whose default container is %q", name)
	}
	var pod struct{ Spec ciPod }
	if err := decodeYAML([]byte(text), &pod); err != nil {
		return nil, err
	}
	j, err := pod.Spec.job(name)
	if err != nil {
		return nil, err
	}
	j.scripts = nil // the pod's only keeps the container there
	for _, m := range regexp.MustCompile(`(?m)^ *sh '(.*)'$`).FindAllStringSubmatch(rest, -1) {
		j.scripts = append(j.scripts, m[1])
	}
	return j, nil
}

// job is what a container of a pod runs beside the shim.
func (p ciPod) job(name string) (*ciJob, error) {
	j := &ciJob{env: make(map[string]string), volumes: p.Volumes}
	for _, c := range append(p.InitContainers, p.Containers...) {
		c.variables = make(map[string]string)
		for _, v := range c.Env {
			c.variables[v.Name] = v.Value
		}
		switch c.Name {
		case name:
			j.env = c.variables
			if c.Script != "" {
				j.scripts = []string{c.Script}
			} else {
				j.scripts = []string{c.Command[len(c.Command)-1]} // of sh -ec
			}
		case "modferry":
			j.shim = &c
		}
	}
	if j.shim == nil || j.scripts == nil {
		return nil, fmt.Errorf("no container modferry, or no %q", name)
	}
	return j, nil
}

// tektonJob: parameters have their defaults, and the workspace is where the job runs.
func tektonJob(data []byte, name string) (*ciJob, error) {
	var params struct {
		Spec struct {
			Params []struct{ Name, Default string }
		}
	}
	if err := decodeYAML(data, &params); err != nil {
		return nil, err
	}
	text := strings.ReplaceAll(string(data), "$(workspaces.source.path)", ".")
	for _, p := range params.Spec.Params {
		text = strings.ReplaceAll(text, "$(params."+p.Name+")", p.Default)
	}
	var task struct {
		Spec struct {
			Steps, Sidecars []ciContainer
			Volumes         []ciVolume
		}
	}
	if err := decodeYAML([]byte(text), &task); err != nil {
		return nil, err
	}
	return ciPod{task.Spec.Sidecars, task.Spec.Steps, task.Spec.Volumes}.job(name)
}

// image is what the Dockerfile says of the image of the shim: its variables, and its arguments where none are given.
func image() (env map[string]string, args []string, err error) {
	data, err := os.ReadFile("../Dockerfile")
	if err != nil {
		return nil, nil, err
	}
	data = data[bytes.LastIndex(data, []byte("\nFROM ")):] // the stages before are of other images
	env = make(map[string]string)
	for _, m := range regexp.MustCompile(`(MODFERRY_\w+)=(\S+)`).FindAllSubmatch(data, -1) {
		env[string(m[1])] = string(m[2])
	}
	commands := regexp.MustCompile(`(?m)^CMD (\[.*\])$`).FindAllSubmatch(data, -1)
	if len(commands) != 1 {
		return nil, nil, fmt.Errorf("the Dockerfile has %d commands", len(commands))
	}
	return env, args, json.Unmarshal(commands[0][1], &args)
}

// environ returns variables as exec has them, in order.
func environ(vars map[string]string) (list []string) {
	for _, name := range slices.Sorted(maps.Keys(vars)) {
		list = append(list, name+"="+vars[name])
	}
	return list
}
