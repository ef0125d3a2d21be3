package helm

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	volumeutil "k8s.io/kubernetes/pkg/volume/util"
)

// node runs containers as far as that can be had without one: their programs, with the arguments and the environment
// that they get, and with their files as the kubelet writes them, below a directory.
type node struct {
	t    *testing.T
	root string
	// Files of Secrets and ConfigMaps, by kind and name, such as Secret/modferry-tls.
	data map[string]map[string]string
	// What stands in the place of what is not there, such as registries, in arguments.
	instead *strings.Replacer
}

// podIP is what a pod is told that its address is. The program listens on all there are.
const podIP = "192.0.2.10"

func modferry(t *testing.T) string {
	t.Helper()
	name := os.Getenv("MODFERRY_BIN")
	if name == "" {
		t.Skip("MODFERRY_BIN names no modferry")
	}
	return name
}

// projection returns what the kubelet writes for a volume: its files, all or those of items.
func (n *node) projection(v corev1.Volume) map[string]volumeutil.FileProjection {
	n.t.Helper()
	var of string
	var items []corev1.KeyToPath
	switch {
	case v.Secret != nil:
		of, items = "Secret/"+v.Secret.SecretName, v.Secret.Items
	case v.ConfigMap != nil:
		of, items = "ConfigMap/"+v.ConfigMap.Name, v.ConfigMap.Items
	default:
		return nil
	}
	data, ok := n.data[of]
	if !ok {
		n.t.Fatalf("there is no %s", of)
	}
	files := make(map[string]volumeutil.FileProjection)
	if len(items) == 0 {
		for name, text := range data {
			files[name] = volumeutil.FileProjection{Data: []byte(text), Mode: 0o440}
		}
	}
	for _, item := range items {
		text, ok := data[item.Key]
		if !ok {
			n.t.Fatalf("%s has no %s", of, item.Key)
		}
		files[item.Path] = volumeutil.FileProjection{Data: []byte(text), Mode: 0o440}
	}
	return files
}

func (n *node) dir(volume string) string { return filepath.Join(n.root, "volumes", volume) }

// write writes a volume, or what has changed of it, by the kubelet's own code: a link is moved to another directory.
func (n *node) write(v corev1.Volume) {
	n.t.Helper()
	n.check(os.MkdirAll(n.dir(v.Name), 0o755))
	files := n.projection(v)
	if files == nil {
		return
	}
	w, err := volumeutil.NewAtomicWriter(n.dir(v.Name), n.t.Name())
	n.check(err)
	n.check(w.Write(files, nil))
}

func (n *node) check(err error) {
	n.t.Helper()
	if err != nil {
		n.t.Fatal(err)
	}
}

// mount makes the volumes of a pod, and returns what leads from a path in it, which may be an option's, to the file. A
// file that is mounted by itself is copied into the volume around it.
func (n *node) mount(pod corev1.PodSpec) func(string) string {
	n.t.Helper()
	for _, v := range pod.Volumes {
		n.write(v)
	}
	at := make(map[string]string)
	for _, m := range pod.Containers[0].VolumeMounts {
		if m.SubPath == "" {
			at[m.MountPath] = n.dir(m.Name)
			continue
		}
		data, err := os.ReadFile(filepath.Join(n.dir(m.Name), m.SubPath))
		n.check(err)
		n.check(os.WriteFile(filepath.Join(n.dir("work"), filepath.Base(m.MountPath)), data, 0o444))
	}
	return func(text string) string {
		prefix, file := "", text
		if i := strings.IndexByte(text, '='); i >= 0 {
			prefix, file = text[:i+1], text[i+1:]
		}
		for mount, dir := range at {
			if rest, ok := strings.CutPrefix(file+"/", mount+"/"); ok {
				return prefix + filepath.Join(dir, rest)
			}
		}
		return text
	}
}

// command is the program of a pod's container.
func (n *node) command(ctx context.Context, pod corev1.PodSpec) *exec.Cmd {
	n.t.Helper()
	located := n.mount(pod)
	c := pod.Containers[0]
	env := map[string]string{"POD_IP": podIP}
	for _, e := range c.Env {
		switch {
		case e.ValueFrom == nil:
			env[e.Name] = located(e.Value)
		case e.ValueFrom.SecretKeyRef != nil:
			ref := e.ValueFrom.SecretKeyRef
			env[e.Name] = n.data["Secret/"+ref.Name][ref.Key]
		}
	}
	cmd := exec.CommandContext(ctx, modferry(n.t))
	for name, value := range env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	cmd.Env = append(cmd.Env, "PATH="+os.Getenv("PATH"))
	for _, arg := range c.Args {
		arg = strings.ReplaceAll(arg, "$(POD_IP)", env["POD_IP"])
		cmd.Args = append(cmd.Args, n.instead.Replace(located(arg)))
	}
	cmd.Dir = n.root
	if c.WorkingDir != "" {
		cmd.Dir = located(c.WorkingDir)
	}
	return cmd
}

// run runs a pod of a job to its end.
func (n *node) run(pod corev1.PodSpec) string {
	n.t.Helper()
	cmd := n.command(n.t.Context(), pod)
	out, err := cmd.CombinedOutput()
	if err != nil {
		n.t.Fatalf("%q: %v\n%s", cmd.Args, err, out)
	}
	return string(out)
}

// patience ends what hangs, on a machine that does much else.
const patience = 5 * time.Minute

// listening is the address of which a shim says that it serves there, to people or, as JSON, to machines.
var listening = regexp.MustCompile(`serv.*https?://(127\.0\.0\.1:[0-9]+)`)

// start runs a pod until the test ends, and returns the address at which it says that it is.
func (n *node) start(pod corev1.PodSpec) (addr string) {
	n.t.Helper()
	ctx, cancel := context.WithCancel(n.t.Context())
	cmd := n.command(ctx, pod)
	stderr, err := cmd.StderrPipe()
	n.check(err)
	n.check(cmd.Start())
	hung := time.AfterFunc(patience, cancel) // and the lines end
	lines := bufio.NewScanner(stderr)
	var log strings.Builder
	for lines.Scan() {
		fmt.Fprintln(&log, lines.Text())
		if m := listening.FindStringSubmatch(lines.Text()); m != nil {
			addr = m[1]
			break
		}
	}
	hung.Stop()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for lines.Scan() {
			fmt.Fprintln(&log, lines.Text())
		}
		_ = cmd.Wait() // it is killed
	}()
	n.t.Cleanup(func() {
		cancel()
		<-ended
		if n.t.Failed() {
			n.t.Logf("%q\n%s", cmd.Args, log.String())
		}
	})
	if addr == "" {
		<-ended
		n.t.Fatal("it does not start")
	}
	return addr
}
