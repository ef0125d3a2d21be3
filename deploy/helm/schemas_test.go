package helm

import (
	"context"
	"strings"
	"testing"

	certmanager "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"
	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer/json"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	_ "k8s.io/kubernetes/pkg/apis/apps/install"
	_ "k8s.io/kubernetes/pkg/apis/autoscaling/install"
	_ "k8s.io/kubernetes/pkg/apis/batch/install"
	_ "k8s.io/kubernetes/pkg/apis/core/install"
	_ "k8s.io/kubernetes/pkg/apis/networking/install"
	_ "k8s.io/kubernetes/pkg/apis/policy/install"
	"k8s.io/kubernetes/pkg/registry/apps/deployment"
	"k8s.io/kubernetes/pkg/registry/autoscaling/horizontalpodautoscaler"
	"k8s.io/kubernetes/pkg/registry/batch/cronjob"
	"k8s.io/kubernetes/pkg/registry/core/configmap"
	"k8s.io/kubernetes/pkg/registry/core/service"
	"k8s.io/kubernetes/pkg/registry/core/serviceaccount"
	"k8s.io/kubernetes/pkg/registry/networking/ingress"
	"k8s.io/kubernetes/pkg/registry/networking/networkpolicy"
	"k8s.io/kubernetes/pkg/registry/policy/poddisruptionbudget"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
	gateway "sigs.k8s.io/gateway-api/apis/v1"
)

// strategies are what an API server does with objects that are created: it checks them, and it warns.
var strategies = map[string]rest.RESTCreateStrategy{
	"Deployment":              deployment.Strategy,
	"CronJob":                 cronjob.Strategy,
	"Service":                 service.Strategy,
	"ServiceAccount":          serviceaccount.Strategy,
	"ConfigMap":               configmap.Strategy,
	"NetworkPolicy":           networkpolicy.Strategy,
	"Ingress":                 ingress.Strategy,
	"PodDisruptionBudget":     poddisruptionbudget.Strategy,
	"HorizontalPodAutoscaler": horizontalpodautoscaler.Strategy,
}

// custom are the kinds that an API server learns from others.
func custom() *runtime.Scheme {
	s := runtime.NewScheme()
	utilruntime.Must(monitoring.AddToScheme(s))
	utilruntime.Must(gateway.Install(s))
	utilruntime.Must(certmanager.AddToScheme(s))
	return s
}

// decode reads a document as the kind that it is of, and refuses fields that this does not have, and doubled ones.
func decode(t *testing.T, s *runtime.Scheme, doc string) (runtime.Object, *schema.GroupVersionKind, error) {
	t.Helper()
	strict := json.NewSerializerWithOptions(json.DefaultMetaFactory, s, s, json.SerializerOptions{Yaml: true, Strict: true})
	return strict.Decode([]byte(doc), nil, nil)
}

// object is a document that has been decoded.
type object struct {
	runtime.Object
	kind string
	text string
}

// objects decodes everything that was rendered, each kind by its own types.
func objects(t *testing.T, files map[string]string) []object {
	t.Helper()
	var all []object
	others := custom()
	for _, doc := range documents(files) {
		o, kind, err := decode(t, legacyscheme.Scheme, doc)
		if runtime.IsNotRegisteredError(err) {
			o, kind, err = decode(t, others, doc)
		}
		if err != nil {
			t.Fatalf("%v:\n%s", err, doc)
		}
		all = append(all, object{o, kind.Kind, doc})
	}
	return all
}

// create does what an API server does with an object before it is stored.
func create(o object) (warnings []string, err error) {
	strategy := strategies[o.kind]
	if strategy == nil {
		return nil, nil
	}
	legacyscheme.Scheme.Default(o.Object)
	gvk := o.GetObjectKind().GroupVersionKind()
	stored := schema.GroupVersion{Group: gvk.Group, Version: runtime.APIVersionInternal}
	internal, err := legacyscheme.Scheme.ConvertToVersion(o.Object, stored)
	if err != nil {
		return nil, err
	}
	ctx := request.WithNamespace(context.Background(), namespace)
	ctx = request.WithRequestInfo(ctx, &request.RequestInfo{
		APIGroup: gvk.Group, APIVersion: gvk.Version, Verb: "create", IsResourceRequest: true,
		Resource: strings.ToLower(o.kind) + "s", Namespace: namespace,
	})
	rest.FillObjectMetaSystemFields(internal.(metav1.Object))
	if err := rest.BeforeCreate(strategy, ctx, internal); err != nil {
		return nil, err
	}
	return strategy.WarningsOnCreate(ctx, internal), nil
}

func TestAnAPIServerTakesEachObjectWithoutAWarning(t *testing.T) {
	eachValues(t, func(t *testing.T, values map[string]any) {
		for _, o := range objects(t, mustRender(t, values)) {
			warnings, err := create(o)
			if err != nil || len(warnings) > 0 {
				t.Errorf("%v %q:\n%s", err, warnings, o.text)
			}
		}
	})
}

// The check itself can fail.
func TestAnAPIServerRefuses(t *testing.T) {
	docs := documents(mustRender(t, readValues(t, chartDir+"/ci/minimal-values.yaml")))
	for _, change := range []struct{ kind, from, to, says string }{
		{"Deployment", "readinessProbe:", "readynessProbe:", "unknown field"},
		{"Deployment", "mountPath: /tmp}", "mountPath: /var/cache/modferry}", "must be unique"},
		{"Deployment", "{name: tmp, mountPath", "{name: temp, mountPath", "Not found"},
		{"Deployment", "app.kubernetes.io/component: shim\n  template", "app.kubernetes.io/component: other\n  template", "does not match template"},
		{"Service", "targetPort: http", "targetPort: HTTP", "must"},
		{"NetworkPolicy", "169.254.20.10/32", "169.254.20.300/32", "cidr"},
		{"PodDisruptionBudget", "maxUnavailable: 1", "maxUnavailable: 101%", "100%"},
	} {
		for _, doc := range docs {
			if !strings.Contains(doc, "kind: "+change.kind+"\n") {
				continue
			}
			broken := strings.Replace(doc, change.from, change.to, 1)
			if broken == doc {
				t.Fatalf("%q is not in\n%s", change.from, doc)
			}
			o, kind, err := decode(t, legacyscheme.Scheme, broken)
			if err == nil {
				_, err = create(object{o, kind.Kind, broken})
			}
			if err == nil || !strings.Contains(err.Error(), change.says) {
				t.Errorf("%s with %q: %v", change.kind, change.to, err)
			}
		}
	}
}

// podTemplate returns the pods that an object makes, nil for none.
func podTemplate(o object) *corev1.PodTemplateSpec {
	switch o := o.Object.(type) {
	case *appsv1.Deployment:
		return &o.Spec.Template
	case *batchv1.CronJob:
		return &o.Spec.JobTemplate.Spec.Template
	}
	return nil
}

// eachPod runs a test for the pods of each file of values.
func eachPod(t *testing.T, test func(t *testing.T, all []object, name string, pod *corev1.PodTemplateSpec)) {
	eachValues(t, func(t *testing.T, values map[string]any) {
		all := objects(t, mustRender(t, values))
		pods := 0
		for _, o := range all {
			if pod := podTemplate(o); pod != nil {
				pods++
				t.Run(o.kind, func(t *testing.T) { test(t, all, o.Object.(metav1.Object).GetName(), pod) })
			}
		}
		if pods == 0 {
			t.Error("no pods")
		}
	})
}

func TestPodsMeetTheRestrictedStandard(t *testing.T) {
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		t.Fatal(err)
	}
	restricted := api.LevelVersion{Level: api.LevelRestricted, Version: api.LatestVersion()}
	eachPod(t, func(t *testing.T, _ []object, _ string, pod *corev1.PodTemplateSpec) {
		result := policy.AggregateCheckResults(evaluator.EvaluatePod(restricted, &pod.ObjectMeta, &pod.Spec))
		if !result.Allowed {
			t.Error(result.ForbiddenDetail())
		}
		for _, c := range pod.Spec.Containers {
			if s := c.SecurityContext; s.ReadOnlyRootFilesystem == nil || !*s.ReadOnlyRootFilesystem {
				t.Error("the root file system can be written to")
			}
		}
		if auto := pod.Spec.AutomountServiceAccountToken; auto == nil || *auto {
			t.Error("a token is mounted")
		}
		pod.Spec.Containers[0].SecurityContext.AllowPrivilegeEscalation = nil
		if policy.AggregateCheckResults(evaluator.EvaluatePod(restricted, &pod.ObjectMeta, &pod.Spec)).Allowed {
			t.Error("this check cannot fail")
		}
	})
}
