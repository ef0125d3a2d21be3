package helm

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"helm.sh/helm/v4/pkg/strvals"
	appsv1 "k8s.io/api/apps/v1"
)

// What is set beside ci/minimal-values.yaml, and what the refusal says.
func TestValuesThatAreRefused(t *testing.T) {
	tls := ",shim.tls.secretName=t,shim.plainHTTP=false"
	for name, test := range map[string]struct{ set, says string }{
		"no image":                              {"image.repository=", "image.repository is not set"},
		"no store":                              {"store=", "store is not set"},
		"nobody trusted":                        {"trust.keysFrom.configMap=", "nobody is trusted"},
		"keys and a policy":                     {"trust.policy.secret=p", "one of publicKeys, keysFrom and policy"},
		"keys from two places":                  {"trust.keysFrom.secret=p", "both configMap and secret"},
		"a private key among the public ones":   {"trust.publicKeys.k=-----BEGIN PRIVATE KEY-----", "trust/publicKeys/k"},
		"without TLS, unsaid":                   {"shim.plainHTTP=false", "would listen without TLS"},
		"with TLS, and plain":                   {"shim.tls.secretName=t", "contradict each other"},
		"no issuer":                             {"shim.plainHTTP=false,shim.tls.certManager.enabled=true", "issuerRef is not set"},
		"client certificates without TLS":       {"shim.tls.clientCA.secret=ca", "needs shim.tls.secretName"},
		"client certificates, and blind probes": {"shim.tls.clientCA.secret=ca" + tls, "the kubelet shows no certificate"},
		"metrics behind credentials":            {"shim.access.secretName=a,monitoring.serviceMonitor.enabled=true", "metrics are behind it"},
		"two credentials of Prometheus":         {"monitoring.serviceMonitor.authorization.type=Bearer,monitoring.serviceMonitor.basicAuth.a=b", "both authorization and basicAuth"},
		"no claim":                              {"shim.cache.type=claim", "set shim.cache.claimName"},
		"a claim that is not used":              {"shim.cache.claimName=c", "of no use with type emptyDir"},
		"a class that is not used":              {"shim.cache.storageClassName=c", "of no use with type emptyDir"},
		"two replicas on a disk of one":         {"shim.cache.type=claim,shim.cache.claimName=c,shim.cache.accessMode=ReadWriteOnce", "cannot share a claim"},
		"a cache that holds no zip":             {"shim.cache.size=100Mi", "less than 1Gi"},
		"a delay that leaves no time":           {"shim.shutdown.delaySeconds=60", "must be less"},
		"fewer at most than at least":           {"shim.autoscaling.enabled=true,shim.autoscaling.maxReplicas=1", "more than maxReplicas"},
		"a part of nothing":                     {"shim.autoscaling.enabled=true,shim.resources.requests.cpu=null", "resources.requests.cpu"},
		"an ingress for no host":                {"shim.ingress.enabled=true", "ingress.hosts is empty"},
		"a route from no gateway":               {"shim.httpRoute.enabled=true", "parentRefs is empty"},
		"a host that is routed and refused":     {"shim.allowHosts={a.example},shim.ingress.enabled=true,shim.ingress.hosts={b.example}", "b.example is routed"},
		"nothing to do":                         {"shim.enabled=false", "nothing is enabled"},
		"a mirror of nothing":                   {"mirror.enabled=true,mirror.signingKey.secretName=s", "mirror.sources is empty"},
		"a mirror that cannot sign":             {"mirror.enabled=true,mirror.sources={go.sum}", "mirror.signingKey.secretName is not set"},
		"a mirror with files of two":            {"mirror.enabled=true,mirror.files.a=b,mirror.filesFrom.configMap=c", "both files and filesFrom"},
		"an option among sources":               {"mirror.sources={--no-sign}", "mirror/sources/0"},
		"a sync to nowhere":                     {"sync.enabled=true,sync.source=a.example/golang", "sync.source and sync.destination"},
		"a misspelt value":                      {"shim.replica=3", "additional properties 'replica' not allowed"},
		"a misspelt value at the top":           {"registy=x", "additional properties 'registy' not allowed"},
		"a value at the wrong place":            {"tls.secretName=x", "additional properties 'tls' not allowed"},
		"a number as text":                      {"shim.replicas=three", "got string, want integer"},
		"a tag in the repository":               {"image.repository=registry.example/modferry:v1", "image/repository"},
		"a digest that is none":                 {"image.digest=sha256:abc", "image/digest"},
		"a size that helm cannot reckon with":   {"shim.cache.size=10GB", "shim/cache/size"},
		"a kind of cache that is none":          {"shim.cache.type=hostPath", "shim/cache/type"},
		"a duration that is none":               {"shim.recheck=1 hour", "shim/recheck"},
		"a budget that keeps all pods":          {"shim.podDisruptionBudget.maxUnavailable=0", "maxUnavailable"},
		"a label that pods are selected by":     {"shim.podLabels.app\\.kubernetes\\.io/component=x", "shim/podLabels"},
		"an argument that is no option":         {"shim.extraArgs={serve}", "shim/extraArgs/0"},
		"a schedule that is none":               {"sync.schedule=hourly", "sync/schedule"},
		"a port that is none":                   {"networkPolicy.registry.ports={65536}", "registry/ports/0"},
		"two patterns in one":                   {"private={a.example\\,b.example}", "private/0"},
		"all that is wrong at once, the first":  {"image.repository=,store=", "image.repository is not set"},
		"all that is wrong at once, the second": {"image.repository=,store=", "store is not set"},
	} {
		t.Run(name, func(t *testing.T) {
			values := readValues(t, chartDir+"/ci/minimal-values.yaml")
			if err := strvals.ParseInto(test.set, values); err != nil {
				t.Fatal(err)
			}
			if _, err := render(values); err == nil || !strings.Contains(err.Error(), test.says) {
				t.Errorf("%v", err)
			}
		})
	}
}

// The schema has what values.yaml has: what it has besides would have no default and no comment, and what it lacks is
// refused, as every render shows.
func TestEachValueHasADefault(t *testing.T) {
	var schema property
	data, err := os.ReadFile(chartDir + "/values.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &schema); err != nil {
		t.Fatal(err)
	}
	var walk func(at string, s property, values map[string]any)
	walk = func(at string, s property, values map[string]any) {
		if name, ok := strings.CutPrefix(s.Ref, "#/definitions/"); ok {
			s = schema.Definitions[name]
		}
		for name, p := range s.Properties {
			value, ok := values[name]
			if !ok && at+name != "global" && !free[at] {
				t.Errorf("%s%s has no default", at, name)
			}
			if inner, ok := value.(map[string]any); ok {
				walk(at+name+".", p, inner)
			}
		}
	}
	walk("", schema, readValues(t, chartDir+"/values.yaml"))
}

// free are values whose fields are Kubernetes' or others', without defaults.
var free = map[string]bool{
	"shim.tls.certManager.issuerRef.": true, "shim.resources.": true, "mirror.resources.": true, "sync.resources.": true,
}

type property struct {
	Ref         string              `json:"$ref"`
	Properties  map[string]property `json:"properties"`
	Definitions map[string]property `json:"definitions"`
}

// The README's helm install is of values that go together, and makes what is said of it.
func TestTheREADMEsValuesInstall(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, command, found := strings.Cut(string(readme), "\nhelm install modferry deploy/helm/modferry ")
	command, _, _ = strings.Cut(command, "\n```")
	if !found {
		t.Fatal("the README has no helm install")
	}
	values := make(map[string]any)
	for _, set := range regexp.MustCompile(`--set(-file)? (?:'(.*?)'|(\S+))`).FindAllStringSubmatch(command, -1) {
		text, of := set[2]+set[3], strvals.ParseInto
		if set[1] != "" {
			of = func(text string, into map[string]any) error {
				return strvals.ParseIntoFile(text, into, func([]rune) (any, error) { return "-----BEGIN PUBLIC KEY-----", nil })
			}
		}
		if err := of(text, values); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
	}
	d := find[*appsv1.Deployment](objects(t, mustRender(t, values)))[0]
	c := d.Spec.Template.Spec.Containers[0]
	if *d.Spec.Replicas != 3 || c.Image != "harbor.inside/tools/modferry:v1" || c.Ports[0].Name != "https" || !slices.Contains(c.Args, "--private=corp.example/*") {
		t.Errorf("%d replicas of %s, %v %q", *d.Spec.Replicas, c.Image, c.Ports, c.Args)
	}
}
