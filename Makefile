# modferry: build, test, lint, demo. Everything the targets need beside Go, git and make is fetched, at the
# versions pinned here, through the configured GOPROXY into .tools/.

GO      ?= go
TOOLS   := $(CURDIR)/.tools
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)

# Nothing in the tests is timed. This ends what hangs, whatever the machine and however much else it does.
TEST    := $(GO) test -timeout $(or $(TEST_TIMEOUT),4h)

# The browser of make page.
CHROMIUM ?= chromium

# Tools the tests and the linters run. A new version gets a new directory, so nothing stale is used.
REGISTRY    := $(TOOLS)/registry@v3.1.2/registry
REGISTRY2   := $(TOOLS)/docker-registry@2.8.2+ds1-1/usr/bin/docker-registry
COSIGN2     := $(TOOLS)/cosign@v2.6.5/cosign
COSIGN3     := $(TOOLS)/cosign@v3.1.3/cosign
STATICCHECK := $(TOOLS)/staticcheck@v0.8.2/staticcheck
GOFUMPT     := $(TOOLS)/gofumpt@v0.12.0/gofumpt
ORAS        := $(TOOLS)/oras@v1.3.6/oras
CRANE       := $(TOOLS)/crane@v0.22.1/crane
REGCTL      := $(TOOLS)/regctl@v0.11.7/regctl
SYFT        := $(TOOLS)/syft@v1.57.1/syft
TRIVY       := $(TOOLS)/trivy@v0.74.0/trivy

.PHONY: build test unit e2e registries page alerts chart manifests examples tools interop lint fmt bench bench-real load load-stores load-record demo clean

build: ## the modferry binary, static, in this directory
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w -X github.com/modferry/modferry/cmd/modferry/internal/command.version=$(VERSION)' -o modferry ./cmd/modferry

test: unit e2e ## all tests, unit and end to end

unit:
	$(TEST) ./...

e2e: build $(REGISTRY)
	cd e2e && MODFERRY_BIN=$(CURDIR)/modferry REGISTRY_BIN=$(REGISTRY) $(TEST) ./...

registries: build $(REGISTRY) $(REGISTRY2) ## the main job with the registries that people have, real ones and a fake one with their faults
	cd e2e && MODFERRY_BIN=$(CURDIR)/modferry REGISTRY_BIN=$(REGISTRY) REGISTRY2_BIN=$(REGISTRY2) \
		$(TEST) -count=1 -run TestRegistries .

page: build ## the pages of the shim in a real browser: Debian's chromium, or CHROMIUM=FILE; SCREENS=DIR keeps screenshots
	@command -v $(CHROMIUM) >/dev/null || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get install -qy --no-install-recommends chromium; }
	cd e2e && MODFERRY_BIN=$(CURDIR)/modferry CHROMIUM_BIN=$$(command -v $(CHROMIUM)) SCREENS_DIR=$(abspath $(SCREENS)) \
		$(TEST) -count=1 -run TestPage -v .

alerts: ## Prometheus' own engine: do the alerts fire when they should, and does the dashboard find what it asks for?
	cd deploy/prometheus && $(TEST) -v .

chart: build ## the Helm chart and the manifests: helm's library, Kubernetes' own validation and the kubelet's volumes, this binary
	cd deploy/helm && MODFERRY_BIN=$(CURDIR)/modferry $(TEST) -count=1 .

manifests: ## deploy/kubernetes, made from the chart
	cd deploy/helm && $(GO) test -run TestManifestsAreUpToDate . -update

examples: ## deploy/ci, by Kubernetes', Tekton's, Gitea's and GitLab's own readers; what the examples do is a part of e2e
	cd deploy/ci && $(TEST) -count=1 .

interop: build $(REGISTRY) $(COSIGN2) $(COSIGN3) ## signatures in both directions with the real cosign command lines
	cd e2e && MODFERRY_BIN=$(CURDIR)/modferry REGISTRY_BIN=$(REGISTRY) COSIGN2_BIN=$(COSIGN2) COSIGN3_BIN=$(COSIGN3) \
		$(TEST) -count=1 -run TestInterop -v .

tools: build $(REGISTRY) $(ORAS) $(CRANE) $(REGCTL) $(SYFT) $(TRIVY) ## image tools and scanners; those of Debian as they are installed
	@for tool in skopeo podman umoci; do command -v $$tool >/dev/null || \
		{ [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get install -qy --no-install-recommends $$tool; } || \
		echo "$$tool is not installed: what it does is not tested"; done
	rm -rf $(TOOLS)/bin && mkdir $(TOOLS)/bin && ln -s $(ORAS) $(CRANE) $(REGCTL) $(SYFT) $(TRIVY) $(TOOLS)/bin
	if [ -x $(COSIGN2) ]; then ln -s $(COSIGN2) $(TOOLS)/bin/cosign2; fi
	cd e2e && MODFERRY_BIN=$(CURDIR)/modferry REGISTRY_BIN=$(REGISTRY) TOOLS_DIR=$(TOOLS)/bin \
		$(TEST) -count=1 -run TestTools -v .

lint: $(STATICCHECK) $(GOFUMPT) ## go vet (for Windows, too), staticcheck, gofumpt
	$(GO) vet ./... && cd e2e && $(GO) vet ./...
	GOOS=windows $(GO) vet ./...
	$(STATICCHECK) ./... && cd e2e && $(STATICCHECK) ./...
	@unformatted=$$($(GOFUMPT) -l cmd artifact registry proxyshim e2e); \
		if [ -n "$$unformatted" ]; then echo "not gofumpt-clean (run make fmt):"; echo "$$unformatted"; exit 1; fi

fmt: $(GOFUMPT)
	$(GOFUMPT) -w cmd artifact registry proxyshim e2e

bench: $(REGISTRY) ## Go benchmarks, each beside its limit; feed the output to benchstat
	$(TEST) -run '^$$' -bench . -benchmem ./...
	cd e2e && REGISTRY_BIN=$(REGISTRY) MODFERRY_BIN=$(CURDIR)/modferry $(TEST) -run '^$$' -bench . .

# OLD_BIN=FILE compares with an older modferry. The set is fetched once, from the configured GOPROXY, into .tools/.
bench-real: build $(REGISTRY) ## the shim with what "go mod download" in cosign asks for, each number set against its limit
	mkdir -p $(TOOLS)/bench
	cd e2e && REGISTRY_BIN=$(REGISTRY) MODFERRY_BIN=$(CURDIR)/modferry BENCH_REAL=$(TOOLS)/bench OLD_BIN=$(OLD_BIN) \
		$(TEST) -v -count=1 -run '^TestBenchReal$$' .

LOAD = cd e2e && REGISTRY_BIN=$(REGISTRY) REGISTRY2_BIN=$(REGISTRY2) MODFERRY_BIN=$(CURDIR)/modferry

# RUN narrows it down: make load RUN=^TestLoadOf leaves out the store of 200,000 versions.
load: RUN = ^TestLoad(Of|Growth)
load: build $(REGISTRY) $(REGISTRY2) ## what a shim and a registry carry, by the set of bench-real, and a store of 200,000 versions; needs Linux
	mkdir -p $(TOOLS)/bench
	$(LOAD) BENCH_REAL=$(TOOLS)/bench LOAD=1 $(TEST) -v -count=1 -run '$(RUN)' .

load-stores: build $(REGISTRY) ## how mirror, list and a shim's start grow up to 20,000 versions; takes half an hour
	$(LOAD) LOAD_STORES=1 $(TEST) -v -count=1 -run '^TestLoadStores$$' .

load-record: build ## records what real commands ask a shim for, for make load, with projects from the configured GOPROXY (1 GB)
	$(LOAD) LOAD_RECORD=$(TOOLS)/record $(TEST) -v -count=1 -run '^TestRecordDay$$' .

demo: build ## the main job with real modules from the configured GOPROXY, on an oci: store
	MODFERRY_BIN=$(CURDIR)/modferry GO=$(GO) sh e2e/demo/demo.sh

clean:
	rm -rf modferry .tools demo

$(REGISTRY): PKG = github.com/distribution/distribution/v3/cmd/registry@v3.1.2
$(COSIGN2): PKG = github.com/sigstore/cosign/v2/cmd/cosign@v2.6.5
$(COSIGN3): PKG = github.com/sigstore/cosign/v3/cmd/cosign@v3.1.3
$(STATICCHECK): PKG = honnef.co/go/tools/cmd/staticcheck@v0.8.2
$(GOFUMPT): PKG = mvdan.cc/gofumpt@v0.12.0
$(ORAS): PKG = oras.land/oras/cmd/oras@v1.3.6
$(CRANE): PKG = github.com/google/go-containerregistry/cmd/crane@v0.22.1
$(REGCTL): PKG = github.com/regclient/regclient/cmd/regctl@v0.11.7
$(SYFT): PKG = github.com/anchore/syft/cmd/syft@v1.57.1
$(TRIVY): PKG = github.com/aquasecurity/trivy/cmd/trivy@v0.74.0
$(TRIVY): export GOEXPERIMENT = jsonv2

$(REGISTRY) $(COSIGN2) $(COSIGN3) $(STATICCHECK) $(GOFUMPT) $(ORAS) $(CRANE) $(REGCTL) $(SYFT) $(TRIVY):
	GOBIN=$(@D) GOFLAGS= $(GO) install $(PKG)

# Debian's package, the last of its generation. It need not be installed; make registries REGISTRY2=… takes another binary.
$(REGISTRY2): PKG = docker-registry=2.8.2+ds1-1
$(REGISTRY2):
	rm -rf $(@D) && mkdir -p $(@D)
	cd $(@D) && apt-get download $(PKG) && dpkg -x *.deb ../.. && rm *.deb
