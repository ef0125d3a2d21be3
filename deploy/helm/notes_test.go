package helm

import (
	"strings"
	"testing"

	"helm.sh/helm/v4/pkg/strvals"
)

// What NOTES.txt tells to set on clients, by what is set beside ci/minimal-values.yaml.
func TestNotesTellWhatToSetOnClients(t *testing.T) {
	tls := "shim.plainHTTP=false,shim.tls.secretName=t,"
	for name, test := range map[string]struct{ set, says, not string }{
		"plain":                   {"", "GOPROXY=http://release-name-modferry.default.svc GONOPROXY=none\n", "GONOSUMDB"},
		"TLS":                     {tls, "GOPROXY=https://release-name-modferry.default.svc GONOPROXY=none\n", "plain HTTP"},
		"another port":            {"shim.service.port=8080", "GOPROXY=http://release-name-modferry.default.svc:8080 ", "GONOSUMDB"},
		"private modules":         {"private={corp.example/*,git.corp.example}", "'GONOSUMDB=corp.example/*,git.corp.example'\n", "netrc"},
		"access":                  {tls + "shim.access.secretName=a", "machine release-name-modferry.default.svc login NAME", "plain HTTP"},
		"access, by a port":       {tls + "shim.access.secretName=a,shim.service.port=8443", "machine release-name-modferry.default.svc:8443 login", "plain HTTP"},
		"an ingress":              {"shim.ingress.enabled=true,shim.ingress.hosts={go.example},shim.ingress.tlsSecretName=s", "GOPROXY=https://go.example ", "svc GONOPROXY"},
		"a gateway":               {"shim.httpRoute.enabled=true,shim.httpRoute.hostnames={go.example},shim.httpRoute.parentRefs[0].name=g", "GOPROXY=https://go.example ", "svc GONOPROXY"},
		"no policy":               {"networkPolicy.enabled=false", "There is no NetworkPolicy", "lets pods out"},
		"a wide policy":           {"", "networkPolicy.registry.to", "There is no"},
		"a narrow policy":         {"networkPolicy.registry.to[0].ipBlock.cidr=192.0.2.1/32", "GOPROXY=", "networkPolicy.registry.to"},
		"a job to be run by hand": {"sync.enabled=true,sync.source=a,sync.destination=b", "create job --from=cronjob/release-name-modferry-sync", "modferry-mirror"},
	} {
		t.Run(name, func(t *testing.T) {
			values := readValues(t, chartDir+"/ci/minimal-values.yaml")
			if err := strvals.ParseInto(test.set, values); err != nil {
				t.Fatal(err)
			}
			notes := mustRender(t, values)["modferry/templates/NOTES.txt"]
			if !strings.Contains(notes, test.says) || strings.Contains(notes, test.not) {
				t.Errorf("%q is not in, or %q is:\n%s", test.says, test.not, notes)
			}
		})
	}
}
