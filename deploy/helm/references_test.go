package helm

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
	gateway "sigs.k8s.io/gateway-api/apis/v1"
	"sigs.k8s.io/yaml"
)

// selectorOf returns what an object selects, nil if it selects nothing.
func selectorOf(o object) *metav1.LabelSelector {
	switch o := o.Object.(type) {
	case *appsv1.Deployment:
		return o.Spec.Selector
	case *corev1.Service:
		return &metav1.LabelSelector{MatchLabels: o.Spec.Selector}
	case *policyv1.PodDisruptionBudget:
		return o.Spec.Selector
	case *networkingv1.NetworkPolicy:
		return &o.Spec.PodSelector
	case *monitoring.ServiceMonitor: // it selects services
		return &o.Spec.Selector
	}
	return nil
}

func TestSelectorsMatchTheirOwnPodsAlone(t *testing.T) {
	eachValues(t, func(t *testing.T, values map[string]any) {
		all := objects(t, mustRender(t, values))
		for _, o := range all {
			selector := selectorOf(o)
			if selector == nil {
				continue
			}
			s, err := metav1.LabelSelectorAsSelector(selector)
			if err != nil {
				t.Fatal(err)
			}
			component := "shim"
			if o.kind == "NetworkPolicy" {
				component = o.Object.(metav1.Object).GetLabels()["app.kubernetes.io/component"]
			}
			selected := 0
			for _, other := range all {
				var set labels.Set
				if pod := podTemplate(other); pod != nil {
					set = pod.Labels
				} else if other.kind == "Service" {
					set = other.Object.(metav1.Object).GetLabels()
				} else {
					continue
				}
				if match := s.Matches(set); match != (set["app.kubernetes.io/component"] == component) {
					t.Errorf("%s of %s: matches %v: %v", o.kind, component, set, match)
				} else if match {
					selected++
				}
			}
			if selected == 0 {
				t.Errorf("%s of %s selects nothing", o.kind, component)
			}
		}
	})
}

// find returns the objects of a type.
func find[T any](all []object) (found []T) {
	for _, o := range all {
		if x, ok := o.Object.(T); ok {
			found = append(found, x)
		}
	}
	return found
}

func TestNamesOfPortsLeadToTheShim(t *testing.T) {
	eachValues(t, func(t *testing.T, values map[string]any) {
		all := objects(t, mustRender(t, values))
		for _, d := range find[*appsv1.Deployment](all) {
			c, svc := d.Spec.Template.Spec.Containers[0], find[*corev1.Service](all)[0]
			port, servicePort := c.Ports[0], svc.Spec.Ports[0]
			if servicePort.TargetPort.String() != port.Name {
				t.Errorf("the Service leads to %s, the shim has %s", servicePort.TargetPort.String(), port.Name)
			}
			if !slices.Contains(c.Args, fmt.Sprintf("--listen=:%d", port.ContainerPort)) {
				t.Errorf("%d is not in %q", port.ContainerPort, c.Args)
			}
			for _, probe := range []*corev1.Probe{c.StartupProbe, c.LivenessProbe, c.ReadinessProbe} {
				if got := probe.HTTPGet; got.Port.String() != port.Name || strings.ToLower(string(got.Scheme)) != port.Name {
					t.Errorf("probe %v", got)
				}
			}
			for _, p := range find[*networkingv1.NetworkPolicy](all) {
				if p.Name == d.Name && p.Spec.Ingress[0].Ports[0].Port.String() != port.Name {
					t.Errorf("the policy lets in to %v", p.Spec.Ingress[0].Ports)
				}
			}
			for _, m := range find[*monitoring.ServiceMonitor](all) {
				if e := m.Spec.Endpoints[0]; e.Port != servicePort.Name || string(*e.Scheme) != port.Name {
					t.Errorf("Prometheus asks %v", e)
				}
			}
			for _, i := range find[*networkingv1.Ingress](all) {
				if b := i.Spec.Rules[0].HTTP.Paths[0].Backend.Service; b.Name != svc.Name || b.Port.Name != servicePort.Name {
					t.Errorf("the ingress leads to %v", b)
				}
			}
			for _, r := range find[*gateway.HTTPRoute](all) {
				if b := r.Spec.Rules[0].BackendRefs[0]; string(b.Name) != svc.Name || int32(*b.Port) != servicePort.Port {
					t.Errorf("the route leads to %v", b)
				}
			}
			for _, h := range find[*autoscalingv2.HorizontalPodAutoscaler](all) {
				if h.Spec.ScaleTargetRef.Name != d.Name || d.Spec.Replicas != nil {
					t.Errorf("it scales %v, %v replicas are fixed", h.Spec.ScaleTargetRef, d.Spec.Replicas)
				}
			}
		}
	})
}

func TestAPodCanAlwaysBeEvicted(t *testing.T) {
	eachValues(t, func(t *testing.T, values map[string]any) {
		all := objects(t, mustRender(t, values))
		for _, b := range find[*policyv1.PodDisruptionBudget](all) {
			n, err := intstr.GetScaledValueFromIntOrPercent(b.Spec.MaxUnavailable, 1, true)
			if err != nil || n < 1 || b.Spec.MinAvailable != nil {
				t.Errorf("%v, %d pods, %v", b.Spec, n, err)
			}
		}
	})
}

func TestTheKubeletWaitsForTheShim(t *testing.T) {
	eachValues(t, func(t *testing.T, values map[string]any) {
		for _, d := range find[*appsv1.Deployment](objects(t, mustRender(t, values))) {
			pod := d.Spec.Template.Spec
			var timeout time.Duration
			for _, arg := range pod.Containers[0].Args {
				if text, ok := strings.CutPrefix(arg, "--shutdown-timeout="); ok {
					timeout, _ = time.ParseDuration(text)
				}
			}
			if grace := time.Duration(*pod.TerminationGracePeriodSeconds) * time.Second; timeout == 0 || grace <= timeout {
				t.Errorf("it is killed after %v, and takes %v", grace, timeout)
			}
		}
	})
}

// What options name must be mounted, and what is mounted must be what an option or a variable names.
func TestFilesOfOptionsAreMounted(t *testing.T) {
	eachPod(t, func(t *testing.T, _ []object, _ string, pod *corev1.PodTemplateSpec) {
		c := pod.Spec.Containers[0]
		named := make(map[string]bool) // directories
		for _, arg := range c.Args {
			if _, file, _ := strings.Cut(arg, "="); strings.HasPrefix(file, "/etc/modferry/") {
				named[path.Dir(file)] = true
			}
		}
		for _, e := range c.Env {
			if strings.HasPrefix(e.Value, "/etc/modferry/") {
				named[e.Value] = true
			}
		}
		mounted := make(map[string]bool)
		volumes := make(map[string]bool)
		for _, m := range c.VolumeMounts {
			volumes[m.Name] = true
			if strings.HasPrefix(m.MountPath, "/etc/modferry/") {
				mounted[m.MountPath] = true
				if m.SubPath != "" {
					t.Errorf("%s is mounted by itself, and would never be replaced", m.MountPath)
				}
			}
		}
		if !maps.Equal(named, mounted) {
			t.Errorf("options name %v, mounted are %v", named, mounted)
		}
		for _, v := range pod.Spec.Volumes {
			if !volumes[v.Name] {
				t.Errorf("the volume %s is mounted nowhere", v.Name)
			}
		}
	})
}

func TestKeysOfSecretsAreInTheValues(t *testing.T) {
	text, err := os.ReadFile(chartDir + "/values.yaml")
	if err != nil {
		t.Fatal(err)
	}
	eachPod(t, func(t *testing.T, _ []object, _ string, pod *corev1.PodTemplateSpec) {
		var keys []string
		for _, e := range pod.Spec.Containers[0].Env {
			if e.ValueFrom != nil && e.ValueFrom.SecretKeyRef != nil {
				keys = append(keys, e.ValueFrom.SecretKeyRef.Key)
			}
		}
		for _, v := range pod.Spec.Volumes {
			if v.Secret == nil {
				continue
			}
			for _, item := range v.Secret.Items {
				if item.Path != "ca.crt" && item.Path != "access" { // these keys are values
					keys = append(keys, item.Key)
				}
			}
		}
		for _, key := range keys {
			if !strings.Contains(string(text), strings.TrimPrefix(key, ".")) {
				t.Errorf("%s is nowhere in values.yaml", key)
			}
		}
	})
}

func TestThePolicyLetsOutToTheRegistryAlone(t *testing.T) {
	all := objects(t, mustRender(t, readValues(t, chartDir+"/ci/team-values.yaml")))
	p := find[*networkingv1.NetworkPolicy](all)[0]
	if len(p.Spec.Egress) != 2 {
		t.Fatal(p.Spec.Egress)
	}
	var ports []string
	for _, port := range p.Spec.Egress[1].Ports {
		ports = append(ports, string(*port.Protocol)+" "+port.Port.String())
	}
	if !slices.Equal(ports, []string{"TCP 8443", "TCP 443"}) {
		t.Error(ports)
	}
	if to := p.Spec.Egress[1].To; len(to) != 1 || to[0].IPBlock.CIDR != "198.51.100.7/32" {
		t.Error(to)
	}
	for _, port := range p.Spec.Egress[0].Ports {
		if port.Port.IntValue() != 53 {
			t.Error(port)
		}
	}
	if from := p.Spec.Ingress[0].From; len(from) != 2 {
		t.Error(from)
	}
}

func TestTheAlertsAreThoseOfPrometheus(t *testing.T) {
	want, err := os.ReadFile("../prometheus/modferry.rules.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(chartDir + "/files/modferry.rules.yaml"); err != nil || string(got) != string(want) {
		t.Errorf("not a copy of deploy/prometheus/modferry.rules.yaml: run make manifests (%v)", err)
	}
	all := objects(t, mustRender(t, readValues(t, chartDir+"/ci/team-values.yaml")))
	rules := find[*monitoring.PrometheusRule](all)[0]
	var spec monitoring.PrometheusRuleSpec
	if err := yaml.UnmarshalStrict(want, &spec); err != nil {
		t.Fatal(err)
	}
	if got, want := asJSON(t, rules.Spec), asJSON(t, spec); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
}

func TestTheDashboardIsThatOfGrafana(t *testing.T) {
	want, err := os.ReadFile("../grafana/modferry.json")
	if err != nil {
		t.Fatal(err)
	}
	all := objects(t, mustRender(t, readValues(t, chartDir+"/ci/everything-values.yaml")))
	for _, c := range find[*corev1.ConfigMap](all) {
		if c.Name == "release-name-proxy-dashboard" {
			if strings.TrimSpace(c.Data["modferry.json"]) != strings.TrimSpace(string(want)) {
				t.Error("not deploy/grafana/modferry.json: run make manifests")
			}
			return
		}
	}
	t.Error("no dashboard")
}

func asJSON(t *testing.T, v any) string {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
