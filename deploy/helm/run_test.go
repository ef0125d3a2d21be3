package helm

import (
	"crypto/tls"
	"io"
	"maps"
	"net/http"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
)

// client asks a shim as the kubelet and the go command do.
type client struct {
	*testing.T
	scheme, addr, token string
	host                string // that the request is for
	cert                string // that the shim showed last
}

func (c *client) get(path string) (status int, body string) {
	c.Helper()
	r, err := http.NewRequestWithContext(c.Context(), "GET", c.scheme+"://"+c.addr+path, nil)
	if err != nil {
		c.Fatal(err)
	}
	r.Host = c.host
	if c.token != "" {
		r.SetBasicAuth("ci", c.token)
	}
	unchecked := &tls.Config{InsecureSkipVerify: true} // as the kubelet's probes have it
	h := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: unchecked}}
	resp, err := h.Do(r)
	if err != nil {
		c.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		c.Fatal(err)
	}
	if resp.TLS != nil {
		c.cert = resp.TLS.PeerCertificates[0].Subject.CommonName
	}
	return resp.StatusCode, string(data)
}

// The jobs fill the store, the shim that the chart makes of the same values serves from it, and the kubelet's probes
// are answered.
func TestTheBinaryTakesWhatIsRendered(t *testing.T) {
	eachValues(t, func(t *testing.T, values map[string]any) {
		n := newNode(t)
		if keys, ok := values["trust"].(map[string]any)["publicKeys"].(map[string]any); ok {
			keys["platform.pub"] = n.data["ConfigMap/modferry-keys"]["cosign.pub"]
		}
		if mirror, ok := values["mirror"].(map[string]any); ok {
			mirror["upstream"] = "https://proxy.example"
			if files, ok := mirror["files"].(map[string]any); ok {
				files["modferry.yaml"] = mirrorFile
			}
			if from, ok := mirror["filesFrom"].(map[string]any); ok {
				from["files"] = []any{"modferry.yaml"} // there is no lock yet
			}
		}
		all := objects(t, mustRender(t, values))
		for _, c := range find[*corev1.ConfigMap](all) {
			n.data["ConfigMap/"+c.Name] = maps.Clone(c.Data)
		}
		for _, job := range find[*batchv1.CronJob](all) {
			out := n.run(job.Spec.JobTemplate.Spec.Template.Spec)
			if done := jobs[job.Labels["app.kubernetes.io/component"]]; !strings.Contains(out, done) {
				t.Errorf("%q is not in\n%s", done, out)
			}
		}
		for _, d := range find[*appsv1.Deployment](all) {
			if len(find[*batchv1.CronJob](all)) == 0 {
				n.publish()
			}
			tryShim(t, n, d.Spec.Template.Spec)
		}
	})
}

// jobs are what jobs say when they have done their work; the sync of ci/everything-values.yaml is of other modules.
var jobs = map[string]string{"mirror": "1 new", "sync": " copied"}

func tryShim(t *testing.T, n *node, pod corev1.PodSpec) {
	t.Helper()
	container := pod.Containers[0]
	c := &client{T: t, scheme: container.Ports[0].Name, addr: n.start(pod), host: podIP}
	for _, probe := range []*corev1.Probe{container.StartupProbe, container.LivenessProbe, container.ReadinessProbe} {
		if status, body := c.get(probe.HTTPGet.Path); status != http.StatusOK {
			t.Errorf("%s: %d %s", probe.HTTPGet.Path, status, body)
		}
	}
	const lib = "/corp.example/lib/@v/v1.0.0.zip"
	if strings.Contains(strings.Join(container.Args, " "), "--access") {
		if status, body := c.get(lib); status != http.StatusUnauthorized {
			t.Errorf("without a credential: %d %s", status, body)
		}
		c.token = "first"
	}
	if status, body := c.get(lib); status != http.StatusOK {
		t.Errorf("%d %s", status, body)
	}
	if strings.Contains(strings.Join(container.Args, " "), "--allow-host") {
		c.host = "elsewhere.example"
		if status, body := c.get(lib); status == http.StatusOK {
			t.Errorf("for %s: %d %s", c.host, status, body)
		}
		c.host = podIP
	}
	if status, body := c.get("/-/metrics"); status != http.StatusOK || !strings.Contains(body, "modferry_snapshot_records") {
		t.Errorf("metrics: %d %s", status, body)
	}
}

// What the kubelet writes anew is in force without a restart: the certificate, who has access, the trust policy.
func TestReplacedSecretsAreInForce(t *testing.T) {
	n := newNode(t)
	all := objects(t, mustRender(t, readValues(t, chartDir+"/ci/team-values.yaml")))
	pod := find[*appsv1.Deployment](all)[0].Spec.Template.Spec
	n.publish()
	c := &client{T: t, scheme: "https", addr: n.start(pod), token: "first"}
	const lib = "/corp.example/lib/@v/v1.0.0.mod"
	if status, body := c.get(lib); status != http.StatusOK || c.cert != "first" {
		t.Fatalf("%d %s, certificate %q", status, body, c.cert)
	}
	replace := func(of string, data map[string]string) {
		n.data[of] = data
		for _, v := range pod.Volumes {
			n.write(v)
		}
	}
	until := func(what string, done func() bool) {
		t.Helper()
		for began := time.Now(); !done(); {
			if time.Since(began) > patience {
				t.Fatalf("%s: not in force", what)
			}
		}
	}
	cert, key := certificate(t, "second")
	replace("Secret/modferry-tls", map[string]string{"tls.crt": cert, "tls.key": key, "ca.crt": cert})
	until("the certificate", func() bool { c.get("/-/healthz"); return c.cert == "second" })

	replace("Secret/modferry-access", map[string]string{"access": tokenOf("ci", "other")})
	until("the access file", func() bool { status, _ := c.get(lib); return status == http.StatusUnauthorized })
	c.token = "other"
	if status, body := c.get(lib); status != http.StatusOK {
		t.Errorf("with the new token: %d %s", status, body)
	}

	replace("ConfigMap/modferry-policy", map[string]string{
		"policy.yaml": policyOf("cosign.pub") + "deny: [{modules: ['corp.example/**'], reason: found bad}]\n",
		"cosign.pub":  n.data["ConfigMap/modferry-policy"]["cosign.pub"],
	})
	if status, body := c.get(lib); status != http.StatusForbidden || !strings.Contains(body, "found bad") {
		t.Errorf("denied by the policy: %d %s", status, body)
	}

	replace("Secret/modferry-tls", map[string]string{"tls.crt": cert, "tls.key": "torn", "ca.crt": cert})
	until("readiness tells", func() bool {
		_, body := c.get("/-/readyz")
		return strings.Contains(body, "[-] certificate")
	})
	if c.cert != "second" {
		t.Errorf("the certificate is %q", c.cert)
	}
}

// Options are those of the binary, also where the jobs and the shim do not run in a test.
func TestOptionsAreThoseOfTheBinary(t *testing.T) {
	option := regexp.MustCompile(`--[a-z-]+`)
	helps := make(map[string]string)
	eachPod(t, func(t *testing.T, _ []object, _ string, pod *corev1.PodTemplateSpec) {
		args := pod.Spec.Containers[0].Args
		if helps[args[0]] == "" {
			out, err := exec.Command(modferry(t), args[0], "--help").Output()
			if err != nil {
				t.Fatal(err)
			}
			helps[args[0]] = string(out)
		}
		known := option.FindAllString(helps[args[0]], -1)
		for _, arg := range args[1:] {
			if name := option.FindString(arg); strings.HasPrefix(arg, "--") && !slices.Contains(known, name) {
				t.Errorf("modferry %s has no %s", args[0], name)
			}
		}
	})
}
