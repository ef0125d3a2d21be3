package main

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/cmd/modferry/internal/audit"
	"github.com/modferry/modferry/cmd/modferry/internal/command"
	"github.com/modferry/modferry/cmd/modferry/internal/doctor"
)

// trusting returns a bench whose store has example.com/a v1.0.0, v1.9.0 and v1.10.0, signed with the key of cosign.pub, and
// two more keys, second.pub and third.pub.
func trusting(t *testing.T) *bench {
	t.Helper()
	b, _ := mirrored(t)
	b.keys("second")
	b.keys("third")
	return b
}

const keysOfPolicy = "version: 1\nkeys: {first: {file: cosign.pub}, second: {file: second.pub}, third: {file: third.pub}}\n"

// policy writes a policy file with the three keys, and text behind them.
func (b *bench) policy(text string) string { return b.write("policy.yaml", keysOfPolicy+text) }

const byFirst = "rules: [{modules: ['**'], signedBy: {anyOf: [first, second]}, checksumDatabase: none}]\n"

func TestPolicyCheckPrintsWhatAPolicySays(t *testing.T) {
	b := trusting(t)
	file := b.policy(`rules:
  - {modules: ["corp.example/**"], signedBy: {anyOf: [first]}, checksumDatabase: none}
  - {modules: ["**"], signedBy: {threshold: 2, of: [first, second]}}
deny: [{modules: ["github.com/evil/**", "example.com/lib@<v1.4.2"], reason: CVE-2026-0001}]
`)
	b.run("policy", "check", file).exits(command.ExitOK).
		says("key   first   sha256:", "rule  line 4  corp.example/**", "signed by first, checksum database: none",
			"rule  line 5  **", "signed by 2 of first, second, checksum database: required",
			"deny  line 6  github.com/evil/** example.com/lib@<v1.4.2", "CVE-2026-0001").
		complains("WARNING", "policy.yaml: line 2: no rule names the key third")
	got := jsonLines[sign.PolicySummary](b.run("policy", "check", "--json", "--policy", file).exits(command.ExitOK))
	if len(got) != 1 || len(got[0].Keys) != 3 || len(got[0].Rules) != 2 || len(got[0].Warnings) != 1 {
		t.Errorf("%+v", got)
	}
}

func TestPolicyCheckWarnsOfModulesThatARuleMissesForTheirCase(t *testing.T) {
	b := trusting(t)
	file := b.policy("rules: [{modules: [example.com/A], signedBy: {anyOf: [first, second, third]}}]\n")
	missed := "WARNING: " + file + ": example.com/a is in the store, and the rule for example.com/A does not cover it: upper and lower case differ"
	b.run("policy", "check", file).exits(command.ExitOK).complains(missed)
	b.run("policy", "explain", "--policy", file, "example.com/a@v1.0.0").exits(command.ExitRefused).
		says("the rule for example.com/A is for another module: upper and lower case differ")
	b.run("policy", "check", "--registry", "oci:"+b.path("none"), file).exits(command.ExitOK).complains("the store was not looked at: ")
}

func TestPolicyCheckNamesEveryProblemWithItsLine(t *testing.T) {
	b := trusting(t)
	file := b.policy("rules:\n- {modules: ['**'], signedBy: {threshold: 3, of: [first, second]}}\n- {modules: ['a.example/*'], signedBy: {anyOf: [fourth]}}\n")
	b.run("policy", "check", file).exits(command.ExitFailed).
		complains("policy.yaml:4: rules: signedBy: threshold: 3 signatures are needed", "policy.yaml:5: rules: modules: ", `policy.yaml:5: rules: signedBy: anyOf: there is no key "fourth"`)
	b.run("policy", "check", b.path("missing.yaml")).exits(command.ExitFailed).complains("missing.yaml")
	b.run("policy", "check").exits(command.ExitUsage)
	b.run("policy", "explain", "example.com/a@v1.0.0").exits(command.ExitUsage).complains("--policy")
	b.run("policy", "chekc", file).exits(command.ExitUsage)
}

func TestPolicyExplainSaysWhatCountsAndWhy(t *testing.T) {
	b := trusting(t)
	second, _ := b.keys("second")
	b.run("mirror", "--key", second, "example.com/a@v1.9.0").exits(command.ExitOK)
	const refused = command.ExitRefused
	for _, test := range []struct {
		name, rules, version string
		code                 int
		says                 string // separated by |
	}{
		{
			"accepted", byFirst, "example.com/a@v1.0.0", command.ExitOK,
			"rule               ** (line 3) needs one of first, second|signature 1        counts, by first|checksum database  not asked|accepted           signed by first",
		},
		{
			"one of two keys", strings.Replace(byFirst, "{anyOf: [first, second]}", "{threshold: 2, of: [first, second]}", 1), "example.com/a@v1.0.0", refused,
			"needs 2 of first, second|signature 1        counts, by first|REFUSED            example.com/a@v1.0.0: |only first counts|What to do: ",
		},
		{
			"two of two keys", strings.Replace(byFirst, "{anyOf: [first, second]}", "{threshold: 2, of: [first, second]}", 1), "example.com/a@v1.9.0", command.ExitOK,
			"signature 1        counts, by first|signature 2        counts, by second|accepted           signed by first, second",
		},
		{
			"another key", strings.Replace(byFirst, "[first, second]", "[third]", 1), "example.com/a@v1.9.0", refused,
			"signature 1        does NOT count: by first, which the rule does not name|signature 2        does NOT count: by second",
		},
		{
			"revoked key", byFirst + "revoked: {keys: [first]}", "example.com/a@v1.9.0", command.ExitOK,
			"signature 1        does NOT count: by first, which is revoked|signature 2        counts, by second",
		},
		{
			"denied", byFirst + "deny: [{modules: ['example.com/a@<v1.5'], reason: CVE-2026-0001}]", "example.com/a@v1.0.0", refused,
			"denied             forbidden by the trust policy|denies example.com/a@<v1.5: CVE-2026-0001|signature 1        counts, by first|REFUSED",
		},
		{"denied, and not in the store", byFirst + "deny: [{modules: ['example.com/b']}]", "example.com/b@v1.0.0", refused, "denies example.com/b|REFUSED"},
		{"not in the store", byFirst, "example.com/b@v1.0.0", command.ExitFailed, "needs one of first, second|FAILED "},
		{"no rule", strings.Replace(byFirst, "**", "corp.example/**", 1), "example.com/a@v1.0.0", refused, "rule               none covers it|REFUSED|no rule of it covers example.com/a"},
		{"no record", strings.Replace(byFirst, "none", "required", 1), "example.com/a@v1.0.0", refused, "checksum database  a record is needed: none|no record of the checksum database confirms it|if it is a private module, give it a rule with checksumDatabase: none in the trust policy, and name it in GONOSUMDB"},
	} {
		t.Run(test.name, func(t *testing.T) {
			file := b.policy(test.rules)
			b.run("policy", "explain", "--policy", file, test.version).exits(test.code).says(strings.Split(test.says, "|")...)
			got := jsonLines[audit.Explained](b.run("policy", "explain", "--policy", file, "--json", test.version).exits(test.code))
			if len(got) != 1 || (got[0].Outcome == audit.OK) != (test.code == command.ExitOK) || (got[0].Error == "") != (test.code == command.ExitOK) {
				t.Errorf("%+v", got)
			}
		})
	}
	b.run("policy", "explain", "--key", b.path("cosign.pub"), "--private", "*", "example.com/a@v1.9.0").exits(command.ExitOK).
		says("needs one of the keys given", "signature 1        counts, by sha256:", "signature 2        does NOT count: not by a trusted key")
}

func TestEveryCommandThatVerifiesTakesAPolicy(t *testing.T) {
	b := trusting(t)
	good, denying := b.policy(byFirst), b.write("denying.yaml", keysOfPolicy+byFirst+"deny: [{modules: [example.com/a], reason: CVE-2026-0001}]\n")
	b.run("verify", "--policy", good, "example.com/a@v1.0.0").exits(command.ExitOK).says("ok       example.com/a v1.0.0  first sumdb=none")
	b.run("verify", "--policy", denying, "--all").exits(command.ExitRefused).
		says("REFUSED  example.com/a v1.0.0", "ok       example.com/Dep v1.0.0").complains("denies example.com/a: CVE-2026-0001")
	b.run("inspect", "--policy", good, "example.com/a@v1.0.0").exits(command.ExitOK).says("valid, key first")
	b.run("list", "--policy", good).exits(command.ExitOK).says("example.com/a v1.0.0")
	b.run("sync", "--policy", denying, b.env["MODFERRY_REGISTRY"], "oci:"+b.path("copy")).exits(command.ExitRefused).
		says("REFUSED  example.com/a v1.0.0", "copied   example.com/Dep v1.0.0")
	b.run("sync", "--policy", good, b.env["MODFERRY_REGISTRY"], "oci:"+b.path("copy")).exits(command.ExitOK).says("copied   example.com/a v1.0.0")
	must(t, os.Mkdir(b.path("app"), 0o700))
	b.write("app/go.mod", "module corp.example/app\n\ngo 1.24\n\nrequire example.com/a v1.0.0\n")
	b.write("app/go.sum", "example.com/a v1.0.0 "+b.zipSum("example.com/a@v1.0.0")+"\nexample.com/a v1.0.0/go.mod "+b.goModSum("example.com/a@v1.0.0")+"\n")
	b.write("app/a.go", "package app\n\nimport _ \"example.com/a\"\n")
	b.run("check", "--policy", good, b.path("app")).exits(command.ExitOK)
	b.run("check", "--policy", denying, b.path("app")).exits(command.ExitRefused).says("denies example.com/a: CVE-2026-0001")
	b.run("run", "--policy", good, "--", "go", "mod", "download", "-modcacherw", "example.com/a@v1.0.0").exits(command.ExitOK)
	b.run("run", "--policy", denying, "--", "go", "mod", "download", "example.com/a@v1.9.0").exits(command.ExitFailed).complains("SECURITY: ", "CVE-2026-0001")
}

func TestMirrorLeavesOutWhatAPolicyForbids(t *testing.T) {
	b := trusting(t)
	b.upstream("example.com/b@v1.0.0", "example.com/c@v1.0.0")
	private, _ := b.keys("cosign")
	file := b.policy(byFirst + "deny: [{modules: ['example.com/b@<v2'], reason: CVE-2026-0001}]\n")
	b.run("mirror", "--key", private, "--policy", file, "--static", "example.com/b@v1.0.0", "example.com/c@v1.0.0").exits(command.ExitItems).
		says("1 new, 0 existing, 1 failed").complains("mirroring example.com/b@v1.0.0: forbidden by the trust policy", "CVE-2026-0001")
	b.run("list", "example.com/b").exits(command.ExitItems)
}

func TestWhoIsTrustedIsSaidInOneWay(t *testing.T) {
	b := trusting(t)
	file, key := b.policy(byFirst), b.path("cosign.pub")
	for _, args := range [][]string{
		{"verify", "--policy", file, "--key", key, "--all"},
		{"verify", "--policy", file, "--insecure-skip-verify", "--all"},
		{"verify", "--policy", file, "--allow-unrecorded", "--all"},
		{"serve", "--policy", file, "--key", key},
		{"inspect", "--policy", file, "--key", key, "example.com/a@v1.0.0"},
		{"doctor", "--policy", file, "--key", key},
	} {
		b.run(args...).exits(command.ExitUsage).complains("contradict each other")
	}
	// What the environment says is for commands that do not say it themselves.
	b.env["MODFERRY_KEY"] = b.path("third.pub")
	b.run("verify", "--policy", file, "example.com/a@v1.0.0").exits(command.ExitOK)
	b.env["MODFERRY_POLICY"] = file
	b.run("verify", "--key", key, "--private", "*", "example.com/a@v1.0.0").exits(command.ExitOK)
	b.run("verify", "example.com/a@v1.0.0").exits(command.ExitUsage).complains("contradict each other")
	delete(b.env, "MODFERRY_KEY")
	b.run("verify", "example.com/a@v1.0.0").exits(command.ExitOK).says("first")
	private, _ := b.keys("cosign")
	b.run("mirror", "--key", private, "--static", "example.com/a@v1.0.0").exits(command.ExitOK)
}

func TestRunNamesThePrivateModulesOfThePolicyToTheGoCommand(t *testing.T) {
	b := trusting(t)
	t.Setenv("GONOSUMDB", "")
	file := b.policy("rules:\n" +
		"  - {modules: ['corp.example/**', git.corp.example/lib], signedBy: {anyOf: [first]}, checksumDatabase: none}\n" +
		"  - {modules: ['**'], signedBy: {anyOf: [first]}}\n")
	b.run("run", "--policy", file, "--private", "other.example", "--", "go", "env", "GONOSUMDB").exits(command.ExitOK).
		prints("other.example,corp.example,git.corp.example/lib\n")
}

func TestDoctorExaminesThePolicy(t *testing.T) {
	b := trusting(t)
	for _, test := range []struct {
		text   string
		status doctor.Status
		detail string
	}{
		{keysOfPolicy + byFirst, doctor.Note, "no rule names the key third"},
		{"version: 1\nkeys: {a: {file: cosign.pub}}\n" + strings.Replace(byFirst, "[first, second]", "[a]", 1), doctor.OK, ""},
		{"version: 1\nkeys: {a: {file: gone.pub}}\n", doctor.Wrong, "gone.pub"},
		{"", doctor.Wrong, "the file is empty"},
	} {
		file := b.write("policy.yaml", test.text)
		findings := jsonLines[doctor.Finding](b.run("doctor", "--json", "--policy", file))
		i := slices.IndexFunc(findings, func(f doctor.Finding) bool { return f.Check == "policy" })
		if i < 0 || findings[i].Status != test.status || !strings.Contains(findings[i].Detail, test.detail) {
			t.Errorf("%q: %+v", test.text, findings)
		}
	}
}
