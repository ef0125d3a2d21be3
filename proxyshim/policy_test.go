package proxyshim

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/artifact/sumdb"
)

// policyKeys has the keys of the signers 0, 1 and 2.
const policyKeys = "version: 1\nkeys: {first: {file: 0.pub, notAfter: 2026-06-30}, second: {file: 1.pub}, third: {file: 2.pub}}\n"

// The rules of most policies here: what first signed is accepted, whether there are records or not.
const byFirst = "rules: [{modules: ['**'], signedBy: {anyOf: [first]}, checksumDatabase: ifPresent}]\n"

// newPolicyEnv puts a shim in front of a registry that follows a policy with these keys, and text behind them.
func newPolicyEnv(t *testing.T, text string, change ...func(*Options)) *env {
	t.Helper()
	e := newEnv(t, change...)
	for i := range 3 {
		check(t, os.WriteFile(filepath.Join(e.root, fmt.Sprintf("%d.pub", i)), testSigner(t, i).PublicKey(), 0o600))
	}
	e.setPolicy(policyKeys + text)
	file, err := sign.OpenPolicy(filepath.Join(e.root, "policy.yaml"), sign.PolicyFileOptions{Log: e.options.Log, Now: e.clock.Now})
	check(t, err)
	e.restart(func(o *Options) { o.Verifier, o.Policy = nil, file })
	return e
}

// setPolicy replaces the policy file.
func (e *env) setPolicy(text string) {
	e.t.Helper()
	check(e.t, os.WriteFile(filepath.Join(e.root, "new"), []byte(text), 0o600))
	check(e.t, os.Rename(filepath.Join(e.root, "new"), filepath.Join(e.root, "policy.yaml")))
}

// countersign adds a signature to a version that is in the store.
func (e *env) countersign(a *artifact.Artifact, signer *sign.Signer) {
	e.t.Helper()
	e.publishAs(content{m: a.Manifest.Module}, signer)
}

func TestWhatIsDeniedIsNotServedOneRequestLater(t *testing.T) {
	denied := map[string]string{
		"module":       policyKeys + byFirst + "deny: [{modules: ['example.com/lib'], reason: CVE-2026-0001}]\n",
		"other case":   policyKeys + byFirst + "deny: [{modules: ['example.com/Lib/**'], reason: CVE-2026-0001}]\n",
		"versions":     policyKeys + byFirst + "deny: [{modules: ['example.com/lib@<v1.2.4'], reason: CVE-2026-0001}]\n",
		"digest":       policyKeys + byFirst + "revoked: {digests: [DIGEST]}\n",
		"by no rule":   policyKeys + "rules: [{modules: ['corp.example/**'], signedBy: {anyOf: [first]}}]\n",
		"revoked key":  policyKeys + byFirst + "revoked: {keys: [first]}\n",
		"another rule": policyKeys + strings.Replace(byFirst, "[first]", "[second]", 1),
	}
	for name, policy := range denied {
		for _, state := range []string{"registry up", "registry down", "registry down, restarted"} {
			t.Run(name+", "+state, func(t *testing.T) {
				e := newPolicyEnv(t, byFirst)
				a := e.publish(content{m: lib})
				for _, ext := range []string{".info", ".mod", ".zip"} {
					e.want(libURL+ext, http.StatusOK, "")
				}
				e.setPolicy(strings.Replace(policy, "DIGEST", a.Descriptor.Digest.String(), 1))
				if state != "registry up" {
					e.transport.inject(down)
				}
				if state == "registry down, restarted" {
					e.restart()
				}
				status, text := http.StatusForbidden, "SECURITY: "
				if needsStore := name == "revoked key" || name == "another rule"; needsStore && state != "registry up" {
					status, text = http.StatusBadGateway, "registry not available" // somebody else may have signed it
				}
				e.want(libURL+".zip", status, text)
				if name == "digest" && state != "registry up" {
					status, text = http.StatusBadGateway, "registry not available" // what is removed has no digest any more
				}
				for _, ext := range []string{".info", ".mod", ".zip"} {
					e.want(libURL+ext, status, text)
				}
				if status == http.StatusForbidden {
					e.want(libURL+".info", status, "What to do: ")
					if files := e.files(); state == "registry up" && len(files) > 0 {
						t.Errorf("cached: %v", files)
					}
					if !strings.Contains(e.log.String(), "audit=security") {
						t.Errorf("no audit record:\n%s", e.log)
					}
				}
				e.transport.inject(nil)
				e.setPolicy(policyKeys + byFirst)
				e.want(libURL+".zip", http.StatusOK, "PK")
			})
		}
	}
}

func TestAPolicyThatChangesForOthersLeavesTheCacheAlone(t *testing.T) {
	e := newPolicyEnv(t, byFirst)
	e.publish(content{m: lib})
	e.want(libURL+".zip", http.StatusOK, "PK")
	e.setPolicy(policyKeys + byFirst + "deny: [{modules: [example.com/evil, 'example.com/lib@<v1']}]\nrevoked: {keys: [third]}\n")
	e.transport.inject(down)
	e.want(libURL+".zip", http.StatusOK, "PK")
	e.restart()
	e.want(libURL+".zip", http.StatusOK, "PK")
}

func TestARuleThatNeedsMoreVerifiesAgain(t *testing.T) {
	e := newPolicyEnv(t, byFirst)
	a := e.publish(content{m: lib})
	e.want(libURL+".zip", http.StatusOK, "PK")
	e.setPolicy(policyKeys + "rules: [{modules: ['**'], signedBy: {threshold: 2, of: [first, second, third]}, checksumDatabase: ifPresent}]\n")
	e.want(libURL+".zip", http.StatusForbidden, "needs 2 of first, second, third; of 1, only first counts")
	e.countersign(a, testSigner(t, 2))
	e.want(libURL+".zip", http.StatusOK, "PK")
}

func TestAKeyThatExpiresWhileRunningStopsCounting(t *testing.T) {
	e := newPolicyEnv(t, byFirst, func(o *Options) { o.Recheck = 10000 * time.Hour })
	a := e.publish(content{m: lib})
	e.want(libURL+".zip", http.StatusOK, "PK")
	e.clock.advance(time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC).Sub(e.clock.Now()))
	e.want(libURL+".zip", http.StatusForbidden, "by first, which expired on 2026-06-30")
	e.setPolicy(policyKeys + strings.Replace(byFirst, "[first]", "[first, second]", 1))
	e.countersign(a, testSigner(t, 1))
	e.want(libURL+".zip", http.StatusOK, "PK")
}

func TestWhatNoRuleCoversIsNotFoundIfTheStoreDoesNotHaveIt(t *testing.T) {
	e := newPolicyEnv(t, "rules: [{modules: ['example.com/lib/**'], signedBy: {anyOf: [first]}, checksumDatabase: none}]\n")
	e.publish(content{m: lib})
	other := module.Version{Path: "example.com/other", Version: "v1.0.0"}
	e.publish(content{m: other})
	e.want(libURL+".zip", http.StatusOK, "PK")
	e.want("/example.com/@v/list", http.StatusNotFound, "not found: ") // the go command asks for every parent of a package
	e.want("/example.com/missing/@v/v1.0.0.info", http.StatusNotFound, "not found: ")
	e.want("/example.com/other/@v/v1.0.0.info", http.StatusForbidden, "no rule of it covers example.com/other")
}

func TestNothingOfADeniedModuleIsListed(t *testing.T) {
	e := newPolicyEnv(t, byFirst)
	e.publish(content{m: lib})
	e.record("main", lib.Version)
	for _, path := range []string{"/example.com/lib/@v/list", "/example.com/lib/@latest", mainURL} {
		e.want(path, http.StatusOK, "v1.2.3")
	}
	e.setPolicy(policyKeys + byFirst + "deny: [{modules: ['example.com/**'], reason: CVE-2026-0001}]\n")
	for _, path := range []string{"/example.com/lib/@v/list", "/example.com/lib/@latest", mainURL, "/example.com/missing/@v/list"} {
		e.want(path, http.StatusForbidden, "line 4 denies example.com/**: CVE-2026-0001")
	}
}

func TestADeniedVersionIsNotChosen(t *testing.T) {
	e := newPolicyEnv(t, byFirst)
	e.publish(content{m: lib})
	bad := module.Version{Path: lib.Path, Version: "v1.3.0"}
	e.publish(content{m: bad})
	e.want("/example.com/lib/@v/list", http.StatusOK, "v1.2.3\nv1.3.0\n")
	e.want("/example.com/lib/@latest", http.StatusOK, "v1.3.0")
	e.setPolicy(policyKeys + byFirst + "deny: [{modules: ['example.com/lib@>=v1.3.0 <v1.3.2'], reason: CVE-2026-0001}]\n")
	if _, body := e.get("/example.com/lib/@v/list"); body != "v1.2.3\n" {
		t.Errorf("list: %q", body)
	}
	e.want("/example.com/lib/@latest", http.StatusOK, "v1.2.3")
	e.want("/example.com/lib/@v/v1.3.0.mod", http.StatusForbidden, "CVE-2026-0001")
	e.setPolicy(policyKeys + byFirst)
	e.want("/example.com/lib/@latest", http.StatusOK, "v1.3.0")
}

func TestARevisionDoesNotLeadToADeniedVersion(t *testing.T) {
	e := newPolicyEnv(t, byFirst)
	e.publish(content{m: lib})
	e.record("main", lib.Version)
	e.want(mainURL, http.StatusOK, "v1.2.3")
	e.setPolicy(policyKeys + byFirst + "deny: [{modules: ['example.com/lib@v1.2.3'], reason: CVE-2026-0001}]\n")
	e.want(mainURL, http.StatusForbidden, "CVE-2026-0001")
	e.want("/example.com/lib/@latest", http.StatusForbidden, "CVE-2026-0001")
}

func TestARevokedRecordOfARevisionCountsNoMore(t *testing.T) {
	for _, state := range []string{"registry up", "registry down", "registry down, restarted"} {
		t.Run(state, func(t *testing.T) {
			e := newPolicyEnv(t, byFirst)
			e.publish(content{m: lib})
			e.record("main", lib.Version)
			e.want(mainURL, http.StatusOK, "v1.2.3")
			recorded, err := artifact.BuildRevision(artifact.Revision{Path: lib.Path, Name: "main", Version: lib.Version})
			check(t, err)
			e.setPolicy(policyKeys + byFirst + "revoked: {digests: [" + recorded.Descriptor.Digest.String() + "]}\n")
			if state != "registry up" {
				e.transport.inject(down)
			}
			if state == "registry down, restarted" {
				e.restart()
			}
			e.want(mainURL, http.StatusForbidden, "it revokes the digest")
			e.want(libURL+".info", http.StatusOK, "v1.2.3")
		})
	}
}

func TestWhatIsOnItsWayWhileThePolicyChangesIsDecidedAnew(t *testing.T) {
	l := loggedLog(t)
	for name, path := range map[string]string{"a version": libURL + ".info", "the snapshot": logURL + "latest"} {
		t.Run(name, func(t *testing.T) {
			e := newPolicyEnv(t, byFirst, withLog(l))
			if path == libURL+".info" {
				e.publish(content{m: lib})
			} else {
				e.publishSnapshot(l.snapshot(nil))
			}
			arrived, proceed := make(chan struct{}), make(chan struct{})
			e.transport.inject(func(r *http.Request) (*http.Response, error) {
				if strings.HasSuffix(r.URL.Path, ".sig") {
					e.transport.inject(nil)
					close(arrived)
					<-proceed
				}
				return nil, nil
			})
			first := make(chan int)
			go func() {
				resp, err := http.Get(e.url + path)
				if err != nil {
					first <- 0
					return
				}
				_ = resp.Body.Close()
				first <- resp.StatusCode
			}()
			<-arrived
			e.setPolicy(policyKeys + strings.Replace(byFirst, "[first]", "[second]", 1))
			e.want(path, http.StatusForbidden, "by first, which the rule does not name")
			close(proceed)
			if status := <-first; status != http.StatusOK { // it was asked for under the policy before
				t.Errorf("the request on its way: %d", status)
			}
			e.want(path, http.StatusForbidden, "by first, which the rule does not name")
		})
	}
}

func TestABrokenPolicyIsToldAndTheOneBeforeStaysInForce(t *testing.T) {
	e := newPolicyEnv(t, byFirst+"deny: [{modules: [example.com/evil]}]\n")
	e.publish(content{m: lib})
	e.want("/-/readyz", http.StatusOK, "ready\n")
	for name, text := range map[string]string{"empty": "", "broken": "version: 1\nrules: ]["} {
		t.Run(name, func(t *testing.T) {
			e.setPolicy(text)
			e.want(libURL+".zip", http.StatusOK, "PK")
			e.want("/example.com/evil/@v/v1.0.0.info", http.StatusForbidden, "denies example.com/evil")
			e.want("/-/readyz", http.StatusOK, "[-] policy: the file was changed and is not in force")
			if !strings.Contains(e.log.String(), "level=ERROR msg=\"the trust policy was changed and is not in force") {
				t.Errorf("log:\n%s", e.log)
			}
			e.setPolicy(policyKeys + byFirst + "deny: [{modules: [example.com/evil]}]\n")
			if _, body := e.get("/-/readyz"); !strings.Contains(body, "[+] policy: in force") {
				t.Errorf("readyz: %q", body)
			}
		})
	}
}

// Everything here carries a good signature by the mirror's key.
func TestWhichRulesAcceptAVersionWithoutItsRecord(t *testing.T) {
	l := loggedLog(t)
	s := l.snapshot(nil)
	for _, test := range []struct {
		rule     string
		snapshot bool
		evidence artifact.Evidence
		refused  string // "" if it is served
	}{
		{"required", true, artifact.Evidence{}, "none is stored with it"},
		{"required", true, l.beyondHead(evil), "newer than the checksum snapshot"},
		{"required", false, artifact.Evidence{}, "the store has no snapshot of it to confirm any with"},
		{"required", false, l.evidence(s, evil.m), "zip differs from the checksum database"},
		{"required", false, l.beyondHead(evil), "the store has no snapshot of it to confirm any with"},
		{"ifPresent", true, artifact.Evidence{}, "none is stored with it"},
		{"ifPresent", true, l.beyondHead(evil), "newer than the checksum snapshot"},
		{"ifPresent", true, l.evidence(s, evil.m), "zip differs from the checksum database"},
		{"ifPresent", false, artifact.Evidence{}, ""},
		{"none", true, artifact.Evidence{}, ""},
		{"none", true, l.beyondHead(evil), ""},
		{"none", false, artifact.Evidence{}, ""},
	} {
		t.Run(fmt.Sprintf("%s, snapshot %v, %.20q", test.rule, test.snapshot, test.evidence.Record), func(t *testing.T) {
			rules := strings.Replace(byFirst, "ifPresent", test.rule, 1)
			// Neither --private nor --allow-unrecorded makes a policy any weaker.
			e := newPolicyEnv(t, rules, withLog(l), func(o *Options) { o.Private, o.AllowUnrecorded = "*", true })
			if test.snapshot {
				e.publishSnapshot(s)
			}
			e.replace(evil, test.evidence)
			if test.refused == "" {
				e.want(libURL+".zip", http.StatusOK, "PK")
				return
			}
			if test.snapshot {
				e.wantRefused(evil, test.refused)
				return
			}
			for _, ext := range []string{".info", ".mod", ".zip"} {
				e.want(libURL+ext, http.StatusForbidden, test.refused)
			}
		})
	}
}

func TestARecordInTheCacheCountsUnderEveryRuleThatLooksAtRecords(t *testing.T) {
	l := loggedLog(t)
	for _, rule := range []string{"required", "ifPresent"} {
		for name, evidence := range map[string]artifact.Evidence{"left out": {}, "beyond the head": l.beyondHead(evil)} {
			t.Run(rule+", "+name, func(t *testing.T) {
				e := newPolicyEnv(t, strings.Replace(byFirst, "ifPresent", rule, 1), withLog(l))
				e.mirror(l, l.snapshot(nil), logged[0])
				e.want(libURL+".zip", http.StatusOK, "PK")
				e.replace(evil, evidence)
				e.clock.advance(time.Hour)
				e.want(libURL+".zip", http.StatusForbidden, "SECURITY: example.com/lib@v1.2.3: zip differs from the checksum database")
			})
		}
	}
}

func TestARuleThatDemandsRecordsAppliesToWhatIsCachedWithoutOne(t *testing.T) {
	e := newPolicyEnv(t, byFirst)
	e.publish(content{m: lib})
	e.want(libURL+".zip", http.StatusOK, "PK")
	e.setPolicy(policyKeys + strings.Replace(byFirst, "ifPresent", "required", 1))
	e.want(libURL+".zip", http.StatusForbidden, "the store has no snapshot of it to confirm any with")
}

func TestTheSnapshotNeedsAKeyOfARuleThatLooksAtRecords(t *testing.T) {
	l := loggedLog(t)
	const rules = "rules:\n" +
		"  - {modules: ['**'], signedBy: {threshold: 2, of: [first, second]}}\n" +
		"  - {modules: ['corp.example/**'], signedBy: {anyOf: [third]}, checksumDatabase: none}\n"
	for i, want := range []int{http.StatusOK, http.StatusOK, http.StatusForbidden} {
		e := newPolicyEnv(t, rules, withLog(l))
		e.signer = testSigner(t, i)
		e.publishSnapshot(l.snapshot(nil))
		e.want(logURL+"latest", want, "")
	}
}

func TestPrivateModulesOfAPolicyAreNotInTheDatabase(t *testing.T) {
	l := loggedLog(t)
	e := newPolicyEnv(t, "rules: [{modules: ['example.com/**'], signedBy: {anyOf: [first]}, checksumDatabase: none}]\n", withLog(l))
	e.publish(content{m: lib})
	e.want(libURL+".zip", http.StatusOK, "PK")
	e.want(logURL+"lookup/example.com/lib@v1.2.3", http.StatusNotFound, "set GONOSUMDB=example.com for the go command")
}

func TestAnEventNamesTheRuleAndTheKeysOfThePolicy(t *testing.T) {
	e := newPolicyEnv(t, "rules:\n"+
		"  - {modules: ['example.com/**'], signedBy: {threshold: 2, of: [second, first]}, checksumDatabase: ifPresent}\n"+
		"  - {modules: ['example.com/other'], signedBy: {anyOf: [second]}}\n"+
		"deny: [{modules: [example.com/evil]}]\n")
	a := e.publish(content{m: lib})
	e.countersign(a, testSigner(t, 1))
	e.publish(content{m: module.Version{Path: "example.com/other", Version: "v1.0.0"}})
	for _, test := range []struct{ path, rule, keys, reason string }{
		{libURL + ".zip", "example.com/**", "second first", ""},
		{"/example.com/other/@v/v1.0.0.info", "example.com/other", "", "untrusted"},
		{"/example.com/evil/@v/v1.0.0.info", "example.com/**", "", "forbidden"},
		{"/corp.example/lib/@v/v1.0.0.info", "", "", ""},
	} {
		ev, _ := e.observed(http.MethodGet, test.path)
		if ev.Rule != test.rule || strings.Join(ev.Keys, " ") != test.keys || ev.Reason != test.reason {
			t.Errorf("%s: rule %q, keys %q, reason %q", test.path, ev.Rule, ev.Keys, ev.Reason)
		}
	}
}

func TestARevokedSnapshotConfirmsNothing(t *testing.T) {
	l := newTestLog(t, "revoked").grow(300)
	e := newPolicyEnv(t, byFirst, withLog(l))
	c := content{m: lib}
	l.add(c)
	e.mirror(l, l.snapshot(nil), c)
	head := "/sumdb/" + l.Name() + "/latest"
	e.want(head, http.StatusOK, "go.sum database tree")
	found, err := e.store.FindSnapshot(t.Context(), l.Log, sumdb.LatestTag)
	check(t, err)
	e.setPolicy(policyKeys + byFirst + "revoked: {digests: [" + found.Descriptor.Digest.String() + "]}\n")
	for range 2 {
		e.want(head, http.StatusForbidden, "it revokes the digest")
		e.want(libURL+".info", http.StatusForbidden, "it revokes the digest")
		e.restart()
	}
	e.setPolicy(policyKeys + byFirst)
	e.clock.advance(snapshotRetry)
	e.want(head, http.StatusOK, "go.sum database tree")
	e.want(libURL+".info", http.StatusOK, "v1.2.3")
}
