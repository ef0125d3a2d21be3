package sign

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/module"

	"github.com/opencontainers/go-digest"
)

// today is when the tests of policies take place.
var today = time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)

// policyBench has the signers whose public keys policies in tests name: a.pub, b.pub and c.pub, and in
// again.pub that of a once more.
type policyBench struct {
	t       testing.TB
	a, b, c *Signer
	now     time.Time
}

func newPolicyBench(t testing.TB) *policyBench {
	t.Helper()
	return &policyBench{t: t, a: testSigner(t), b: testSigner(t), c: testSigner(t), now: today}
}

func (b *policyBench) read(file string) ([]byte, error) {
	switch filepath.ToSlash(file) {
	case "etc/a.pub", "etc/again.pub":
		return b.a.PublicKey(), nil
	case "etc/b.pub":
		return b.b.PublicKey(), nil
	case "etc/c.pub":
		return b.c.PublicKey(), nil
	case "etc/two.pub":
		return slices.Concat(b.a.PublicKey(), b.b.PublicKey()), nil
	case "etc/text.pub":
		return []byte("no key"), nil
	}
	return nil, fmt.Errorf("open %s: %w", file, os.ErrNotExist)
}

// parse parses a policy with the keys a, b and c, expiring in a year, what follows being text.
func (b *policyBench) parse(text string) (*Policy, error) {
	return ParsePolicy("etc/policy.yaml", []byte(policyKeys+text), b.read, func() time.Time { return b.now })
}

const policyKeys = `version: 1
keys: {a: {file: a.pub, notAfter: 2027-12-31}, b: {file: b.pub}, c: {file: c.pub}, again: {file: again.pub}}
`

func (b *policyBench) policy(text string) *Policy {
	b.t.Helper()
	p, err := b.parse(text)
	if err != nil {
		b.t.Fatal(err)
	}
	return p
}

// verify has a policy decide about a version of a module that these have signed.
func (b *policyBench) verify(p *Policy, path, version string, signers ...*Signer) ([]string, error) {
	b.t.Helper()
	var sigs []Signature
	for _, s := range signers {
		sigs = append(sigs, mustSign(b.t, s))
	}
	return p.Verify(b.t.Context(), Subject{Module: module.Version{Path: path, Version: version}, Digest: subject.Digest}, sigs)
}

func TestTheLongestPrefixThatCoversAModuleIsItsRule(t *testing.T) {
	b := newPolicyBench(t)
	p := b.policy(`
rules:
  - {modules: ["**"], signedBy: {anyOf: [a]}}
  - {modules: ["corp.example/**", "github.com/acme/**"], signedBy: {anyOf: [b]}, checksumDatabase: none}
  - {modules: ["corp.example/public/**"], signedBy: {anyOf: [c]}, checksumDatabase: ifPresent}
  - {modules: ["corp.example/public"], signedBy: {anyOf: [a]}}
`)
	for path, want := range map[string]Rule{
		"golang.org/x/text":         {Name: "**", Records: RecordsRequired},
		"corp.example":              {Name: "corp.example/**", Records: RecordsNone},
		"corp.example/lib/v2":       {Name: "corp.example/**", Records: RecordsNone},
		"corp.examples/lib":         {Name: "**", Records: RecordsRequired},
		"corp.example/public":       {Name: "corp.example/public", Records: RecordsRequired},
		"corp.example/public/lib":   {Name: "corp.example/public/**", Records: RecordsIfPresent},
		"corp.example/publicity":    {Name: "corp.example/**", Records: RecordsNone},
		"github.com/acme/a/b/c":     {Name: "github.com/acme/**", Records: RecordsNone},
		"github.com/Acme/lib":       {Name: "**", Records: RecordsRequired},
		"golang.org/toolchain":      {Name: "**", Records: RecordsRequired},
		"sumdb/sum.golang.org":      {Name: "sumdb/sum.golang.org", Records: RecordsNone},
		"github.com/acmeindustries": {Name: "**", Records: RecordsRequired},
	} {
		got := p.Rule(path)
		got.Fingerprint = ""
		if got != want {
			t.Errorf("%s: got %+v, want %+v", path, got, want)
		}
	}
}

func TestWhatNoRuleCoversIsForbiddenWhoeverSignedIt(t *testing.T) {
	b := newPolicyBench(t)
	p := b.policy("rules: [{modules: [corp.example/**], signedBy: {anyOf: [a]}}]")
	_, err := b.verify(p, "github.com/acme/lib", "v1.0.0", b.a)
	if !errors.Is(err, ErrForbidden) || !strings.Contains(err.Error(), "no rule of it covers github.com/acme/lib") {
		t.Error(err)
	}
	if r := p.Rule("github.com/acme/lib"); r.Name != "" || r.Records != RecordsRequired || r.Fingerprint == p.Rule("corp.example/lib").Fingerprint {
		t.Errorf("%+v", r)
	}
	if err := p.Deny(Subject{Module: module.Version{Path: "github.com/acme/lib"}}); err != nil {
		t.Errorf("refused before it is known whether it exists: %v", err)
	}
}

func TestSignaturesThatARuleNeeds(t *testing.T) {
	b := newPolicyBench(t)
	stranger := testSigner(t)
	const path, version = "corp.example/lib", "v1.2.3"
	for _, tt := range []struct {
		name, signedBy string
		signers        []*Signer
		keys           string // that count, "" if it is refused
		says           string
	}{
		{"unsigned", "{anyOf: [a, b]}", nil, "", "is not signed; the rule for ** (etc/policy.yaml:3) needs one of a, b"},
		{"one of several", "{anyOf: [a, b]}", []*Signer{b.b}, "b", ""},
		{"all of several", "{anyOf: [b, a]}", []*Signer{b.a, b.b}, "b a", ""},
		{"a stranger", "{anyOf: [a, b]}", []*Signer{stranger}, "", "of 1, none counts"},
		{"a key that the rule does not name", "{anyOf: [a, b]}", []*Signer{b.c}, "", "by c, which the rule does not name"},
		{"one of two needed keys", "{threshold: 2, of: [a, b]}", []*Signer{b.a}, "", "needs 2 of a, b; of 1, only a counts"},
		{"one of two needed keys and a stranger", "{threshold: 2, of: [a, b]}", []*Signer{b.a, stranger, b.c}, "", "of 3, only a counts"},
		{"two of two", "{threshold: 2, of: [a, b]}", []*Signer{b.b, b.a}, "a b", ""},
		{"two of three", "{threshold: 2, of: [a, b, c]}", []*Signer{b.c, stranger, b.a}, "a c", ""},
		{"the same key twice for a threshold of two", "{threshold: 2, of: [a, b]}", []*Signer{b.a, b.a}, "", "only a counts"},
		{"the same key under two names for a threshold of two", "{threshold: 2, of: [a, again, b]}", []*Signer{b.a, b.a}, "", "only a counts"},
		{"the same key under two names, and another", "{threshold: 2, of: [again, a, b]}", []*Signer{b.a, b.b}, "again b", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := b.policy("rules: [{modules: ['**'], signedBy: " + tt.signedBy + "}]")
			keys, err := b.verify(p, path, version, tt.signers...)
			if strings.Join(keys, " ") != tt.keys || (err == nil) != (tt.keys != "") {
				t.Fatalf("got %v, %v", keys, err)
			}
			want := ErrUntrusted
			if len(tt.signers) == 0 {
				want = ErrUnsigned
			}
			if err != nil && (!errors.Is(err, want) || !strings.Contains(err.Error(), tt.says) || !strings.Contains(err.Error(), "What to do: ")) {
				t.Error(err)
			}
		})
	}
}

func TestAValidSignatureBehindTwentyBadOnesCounts(t *testing.T) {
	b := newPolicyBench(t)
	p := b.policy("rules: [{modules: ['**'], signedBy: {threshold: 2, of: [a, b]}}]")
	var sigs []Signature
	for range 10 {
		sigs = append(sigs, mustSign(t, testSigner(t)), Signature{broken: errors.New("cracked")})
	}
	keys, err := p.Verify(t.Context(), subject, append(sigs, mustSign(t, b.b), mustSign(t, b.a)))
	if err != nil || !slices.Equal(keys, []string{"a", "b"}) {
		t.Fatal(keys, err)
	}
	_, err = p.Verify(t.Context(), subject, append(sigs, mustSign(t, b.b)))
	if !errors.Is(err, ErrUntrusted) || len(err.Error()) > 1000 {
		t.Fatal(err)
	}
}

func TestASignatureOfAnotherDigestCountsForNothing(t *testing.T) {
	b := newPolicyBench(t)
	p := b.policy("rules: [{modules: ['**'], signedBy: {anyOf: [a]}}]")
	other := subject
	other.Digest = digest.FromString("another manifest")
	_, err := p.Verify(t.Context(), other, []Signature{mustSign(t, b.a)})
	if !errors.Is(err, ErrUntrusted) || !strings.Contains(err.Error(), "for the digest") {
		t.Fatal(err)
	}
}

func TestKeysCountToTheEndOfTheirLastDay(t *testing.T) {
	b := newPolicyBench(t)
	p := b.policy("rules: [{modules: ['**'], signedBy: {anyOf: [a]}}]")
	before := p.Rule("corp.example/lib").Fingerprint
	b.now = time.Date(2027, 12, 31, 23, 59, 59, 0, time.UTC)
	if _, err := b.verify(p, "corp.example/lib", "v1.0.0", b.a); err != nil || p.CheckExpiry() != nil {
		t.Error(err, p.CheckExpiry())
	}
	if now := p.Rule("corp.example/lib").Fingerprint; now != before {
		t.Error("another fingerprint before the key expires")
	}
	b.now = b.now.Add(time.Second)
	_, err := b.verify(p, "corp.example/lib", "v1.0.0", b.a)
	if !errors.Is(err, ErrUntrusted) || !strings.Contains(err.Error(), "by a, which expired on 2027-12-31") {
		t.Error(err)
	}
	if now := p.Rule("corp.example/lib").Fingerprint; now == before {
		t.Error("the same fingerprint after the key has expired: cached verdicts would go on counting")
	}
	if err := p.CheckExpiry(); err == nil || !strings.HasPrefix(err.Error(), "etc/policy.yaml:2: keys: a: it expired on 2027-12-31") {
		t.Error(err)
	}
}

func TestRevokedKeysCountUnderNoName(t *testing.T) {
	b := newPolicyBench(t)
	for name, revoked := range map[string]string{"by name": "a", "by another name": "again", "by ID": b.a.KeyID()} {
		t.Run(name, func(t *testing.T) {
			p := b.policy("rules: [{modules: ['**'], signedBy: {anyOf: [a, again, b]}}]\nrevoked: {keys: ['" + revoked + "']}")
			_, err := b.verify(p, "corp.example/lib", "v1.0.0", b.a)
			if !errors.Is(err, ErrUntrusted) || !strings.Contains(err.Error(), "by a, which is revoked") {
				t.Error(err)
			}
			if keys, err := b.verify(p, "corp.example/lib", "v1.0.0", b.a, b.b); err != nil || !slices.Equal(keys, []string{"b"}) {
				t.Error(keys, err)
			}
		})
	}
}

func TestRevokingTheLastKeyOfARuleIsNoMistakeInTheFile(t *testing.T) {
	b := newPolicyBench(t) // or the file would not be taken, and the key would go on counting
	p := b.policy("rules: [{modules: ['**'], signedBy: {threshold: 2, of: [a, b]}}]\nrevoked: {keys: [a]}")
	if _, err := b.verify(p, "corp.example/lib", "v1.0.0", b.a, b.b); !errors.Is(err, ErrUntrusted) {
		t.Error(err)
	}
	if w := p.Summary().Warnings; len(w) == 0 || w[0] != "line 3: nothing can meet the rule for **: it needs 2 keys, and 1 count" {
		t.Errorf("%q", w)
	}
}

func TestDenied(t *testing.T) {
	b := newPolicyBench(t)
	p := b.policy(`
rules: [{modules: ["**"], signedBy: {anyOf: [a]}}]
deny:
  - {modules: ["github.com/evil/**", "example.com/lib@<v1.4.2", "example.com/range@>=v1.2.0,<v1.3.0"], reason: CVE-2026-0001}
  - modules: ["example.com/old"]
revoked: {digests: [` + subject.Digest.String() + `]}
`)
	for _, tt := range []struct{ path, version, says string }{
		{"github.com/evil/x", "v1.0.0", "line 6 denies github.com/evil/**: CVE-2026-0001"},
		{"github.com/Evil/x", "v1.0.0", "line 6 denies github.com/evil/**"},
		{"github.com/evil", "", "line 6 denies github.com/evil/**"},
		{"github.com/evilness/x", "v1.0.0", ""},
		{"example.com/lib", "v1.4.1", "line 6 denies example.com/lib@<v1.4.2: CVE-2026-0001"},
		{"example.com/lib", "v1.4.2-rc.1", "denies example.com/lib@<v1.4.2"},
		{"example.com/lib", "v0.0.0-20200101000000-0123456789ab", "denies"},
		{"example.com/lib", "v1.4.2", ""},
		{"example.com/lib", "", ""}, // some of its versions are not denied
		{"example.com/lib/v2", "v2.0.0", ""},
		{"example.com/range", "v1.2.5", "denies example.com/range@>=v1.2.0 <v1.3.0"},
		{"example.com/range", "v1.3.0", ""},
		{"example.com/old", "v9.0.0", "line 7 denies example.com/old\n"},
		{"sumdb/sum.golang.org", "", ""},
	} {
		s := Subject{Module: module.Version{Path: tt.path, Version: tt.version}, Digest: digest.FromString("another")}
		err := p.Deny(s)
		if (err != nil) != (tt.says != "") || err != nil && !(errors.Is(err, ErrForbidden) && strings.Contains(err.Error(), tt.says)) {
			t.Errorf("%s@%s: got %v, want %q", tt.path, tt.version, err, tt.says)
		}
		if _, verr := p.Verify(t.Context(), s, nil); err != nil && !errors.Is(verr, ErrForbidden) {
			t.Errorf("%s@%s: Verify says %v", tt.path, tt.version, verr)
		}
	}
	_, err := b.verify(p, "corp.example/lib", "v1.0.0", b.a)
	if !errors.Is(err, ErrForbidden) || !strings.Contains(err.Error(), "it revokes the digest "+subject.Digest.String()) {
		t.Error(err)
	}
}

func TestFingerprintsAreOfWhatARuleDemandsNow(t *testing.T) {
	b := newPolicyBench(t)
	fingerprint := func(text string) string { return b.policy(text).Rule("corp.example/lib").Fingerprint }
	base := fingerprint("rules: [{modules: ['**'], signedBy: {anyOf: [a, b]}}]")
	for name, text := range map[string]string{
		"other order":             "rules: [{modules: ['**'], signedBy: {anyOf: [b, a]}}]",
		"another name of the key": "rules: [{modules: ['**'], signedBy: {anyOf: [again, b]}}]",
		"a rule for others":       "rules: [{modules: ['**'], signedBy: {anyOf: [a, b]}}, {modules: [example.com/x], signedBy: {anyOf: [c]}}]",
		"something denied":        "rules: [{modules: ['**'], signedBy: {anyOf: [a, b]}}]\ndeny: [{modules: [corp.example/lib]}]",
		"a revoked key of others": "rules: [{modules: ['**'], signedBy: {anyOf: [a, b]}}]\nrevoked: {keys: [c]}",
	} {
		if fingerprint(text) != base {
			t.Errorf("%s: another fingerprint", name)
		}
	}
	seen := map[string]string{base: "base"}
	for name, text := range map[string]string{
		"another key":       "rules: [{modules: ['**'], signedBy: {anyOf: [a, c]}}]",
		"a key more":        "rules: [{modules: ['**'], signedBy: {anyOf: [a, b, c]}}]",
		"a threshold":       "rules: [{modules: ['**'], signedBy: {threshold: 2, of: [a, b]}}]",
		"a revoked key":     "rules: [{modules: ['**'], signedBy: {anyOf: [a, b]}}]\nrevoked: {keys: [a]}",
		"no records":        "rules: [{modules: ['**'], signedBy: {anyOf: [a, b]}, checksumDatabase: none}]",
		"records if needed": "rules: [{modules: ['**'], signedBy: {anyOf: [a, b]}, checksumDatabase: ifPresent}]",
		"a longer prefix":   "rules: [{modules: ['**'], signedBy: {anyOf: [a, b]}}, {modules: [corp.example/**], signedBy: {anyOf: [c]}}]",
	} {
		if other, doubled := seen[fingerprint(text)]; doubled {
			t.Errorf("%s: the same fingerprint as %s", name, other)
		}
		seen[fingerprint(text)] = name
	}
}

func TestWhatIsNoModuleNeedsAKeyOfSomeRule(t *testing.T) {
	b := newPolicyBench(t)
	p := b.policy(`
rules:
  - {modules: ["**"], signedBy: {threshold: 2, of: [a, b]}}
  - {modules: ["corp.example/**"], signedBy: {anyOf: [c]}, checksumDatabase: none}
deny: [{modules: ["**"]}]
`)
	for _, tt := range []struct {
		path   string
		signer *Signer
		ok     bool
	}{
		{"index", b.a, true},
		{"index", b.c, true},
		{"index", testSigner(t), false},
		{"sumdb/sum.golang.org", b.b, true},
		{"sumdb/sum.golang.org", b.c, false}, // delivers what the log does not have
		{"sumdb/sum.golang.org", testSigner(t), false},
	} {
		if _, err := b.verify(p, tt.path, "", tt.signer); (err == nil) != tt.ok || err != nil && !errors.Is(err, ErrUntrusted) {
			t.Errorf("%s: %v, want accepted %v", tt.path, err, tt.ok)
		}
	}
	private := b.policy("rules: [{modules: ['corp.example/**'], signedBy: {anyOf: [c]}, checksumDatabase: none}]")
	if _, err := b.verify(private, "sumdb/sum.golang.org", "", b.c); !errors.Is(err, ErrUntrusted) {
		t.Errorf("no rule looks at the checksum database: %v", err)
	}
}

func TestExplanationSaysWhatEachSignatureCountsFor(t *testing.T) {
	b := newPolicyBench(t)
	p := b.policy("rules: [{modules: ['**'], signedBy: {threshold: 2, of: [again, a, b]}, checksumDatabase: ifPresent}]\nrevoked: {keys: [c]}")
	sigs := []Signature{mustSign(t, b.a), mustSign(t, b.c), {broken: errors.New("cracked")}}
	e, err := p.Explain(t.Context(), subject, sigs)
	if err != nil {
		t.Fatal(err)
	}
	if e.Rule.Name != "**" || e.Line != 3 || e.Needs != "2 of again, a, b" || e.Rule.Records != RecordsIfPresent || e.Denied != nil || !errors.Is(e.Err, ErrUntrusted) {
		t.Errorf("%+v", e)
	}
	want := []Finding{
		{Format: "classic", Signer: b.a.KeyID(), Keys: []string{"a", "again"}, Counts: true},
		{Format: "classic", Signer: b.c.KeyID(), Keys: []string{"c"}, Why: "by c, which is revoked"},
		{Format: "classic", Why: "broken: cracked"},
	}
	if fmt.Sprint(e.Signatures) != fmt.Sprint(want) {
		t.Errorf("got %+v, want %+v", e.Signatures, want)
	}
}

// A shim asks for the rule of a module several times a request.
func TestARuleIsHashedOnceUntilAKeyExpires(t *testing.T) {
	b := newPolicyBench(t)
	p := b.policy("rules: [{modules: [corp.example/lib], signedBy: {anyOf: [a, b, c]}}]")
	before := p.Rule("corp.example/lib")
	if n := testing.AllocsPerRun(100, func() { p.Rule("corp.example/lib") }); n > 0 {
		t.Errorf("%v allocations to look a rule up", n)
	}
	b.now = time.Date(2028, 1, 1, 0, 0, 0, 0, time.UTC)
	if p.Rule("corp.example/lib") == before {
		t.Error("the same fingerprint after a key has expired")
	}
	b.now = today // a clock that was wrong, and is put right
	if p.Rule("corp.example/lib") != before {
		t.Error("another fingerprint at the same time")
	}
}

// Paths that differ in case are different modules: a rule grants nothing that it does not say. What is denied is denied
// in any case, for many hosts have both in one place.
func TestRulesTellUpperFromLowerCaseAndSayWhereThatDecides(t *testing.T) {
	b := newPolicyBench(t)
	p := b.policy(`rules: [{modules: [github.com/acme/**, github.com/Acme/own], signedBy: {anyOf: [a]}, checksumDatabase: none},
  {modules: [github.com/acme/own, example.com/**], signedBy: {anyOf: [b]}}]
deny: [{modules: [github.com/evil/**]}]`)
	for path, want := range map[string]struct{ rule, other string }{
		"github.com/acme/x":   {"github.com/acme/**", ""},
		"github.com/Acme/x":   {"", "github.com/acme/**"},
		"github.com/ACME/x/y": {"", "github.com/acme/**"},
		"github.com/Acme/own": {"github.com/Acme/own", ""},
		"github.com/acme/own": {"github.com/acme/own", ""},
		"github.com/acme/Own": {"github.com/acme/**", "github.com/Acme/own"},
		"example.com/X":       {"example.com/**", ""},
		"other.example/x":     {"", ""},
		"sumdb/log":           {"sumdb/log", ""},
	} {
		if got, other := p.Rule(path).Name, p.OtherCase(path); got != want.rule || other != want.other {
			t.Errorf("%s: by %q, but for case by %q, want %+v", path, got, other, want)
		}
	}
	_, err := b.verify(p, "github.com/Acme/x", "v1.0.0", b.a)
	if !errors.Is(err, ErrForbidden) || !strings.Contains(err.Error(), "the rule for github.com/acme/** is for another module: upper and lower case differ") {
		t.Error(err)
	}
	if err := p.Deny(Subject{Module: module.Version{Path: "github.com/EVIL/x"}}); !errors.Is(err, ErrForbidden) {
		t.Errorf("denied in lower case only: %v", err)
	}
	want := "line 4: github.com/acme/own and github.com/Acme/own differ in upper and lower case only: they are rules for different modules"
	if w := p.Summary().Warnings; !slices.Contains(w, want) {
		t.Errorf("%q", w)
	}
}
