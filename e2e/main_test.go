// Package e2e drives the modferry binary as its users do: with the real go command, a real distribution
// registry and, for signatures, the real cosign command lines. The scripts in testdata are meant to be read.
package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/modferry/modferry/artifact/sign/signtest"
)

// binaries the Makefile builds or fetches and hands over.
const (
	envModferry  = "MODFERRY_BIN"
	envRegistry  = "REGISTRY_BIN"
	envRegistry2 = "REGISTRY2_BIN"
	envCosign2   = "COSIGN2_BIN"
	envCosign3   = "COSIGN3_BIN"
	envNetwork   = "MODFERRY_E2E_NETWORK"
	envTools     = "TOOLS_DIR" // a directory with oras, crane, regctl, and perhaps more
)

// storeKind is one place artifacts can live.
type storeKind struct {
	name string
	// open prepares a store of this kind for one script and tells the script about it through env.
	open func(t *testing.T, env *testscript.Env)
}

// TestScripts runs each script on the kinds of store that what it says may depend on, by the directory it is in:
//
//	everywhere  the main job, and what takes credentials to it: every kind of store
//	script      what a store has a part in: a directory and a registry
//	once        what is found out before anything is stored, or behind the shim: a directory
//	layout      about a directory as other tools see it
//	registry    about what others can do to a registry
//	cache       about a pull-through cache before a registry
//	password    about a registry that wants a password
func TestScripts(t *testing.T) {
	plain := startRegistry(t, registryOptions{})
	private := startRegistry(t, registryOptions{user: robot, password: robotPassword})
	for _, k := range []struct {
		storeKind
		dirs []string
	}{
		{storeKind{"oci", openLayout}, []string{"everywhere", "script", "once", "layout"}},
		{storeKind{"registry", plain.open}, []string{"everywhere", "script", "registry"}},
		{storeKind{"cache", plain.openCache}, []string{"cache"}},
		{storeKind{"registry-with-password", private.open}, []string{"everywhere", "password"}},
	} {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			for _, dir := range k.dirs {
				runScripts(t, k.storeKind, filepath.Join("testdata", dir))
			}
		})
	}
}

// TestInterop checks signatures in both directions with the cosign command lines. They take minutes to
// build, so it runs only where the Makefile's interop target hands them over.
func TestInterop(t *testing.T) {
	if os.Getenv(envCosign2) == "" || os.Getenv(envCosign3) == "" {
		t.Skipf("%s and %s are not set; run make interop", envCosign2, envCosign3)
	}
	plain := startRegistry(t, registryOptions{})
	runScripts(t, storeKind{"registry", plain.open}, filepath.Join("testdata", "interop"))
}

// TestTools has image tools and scanners handle artifacts and layouts. They take long to build, so it runs only where the
// Makefile's tools target hands them over.
func TestTools(t *testing.T) {
	if os.Getenv(envTools) == "" {
		t.Skipf("%s is not set; run make tools", envTools)
	}
	for _, tool := range []string{"skopeo", "umoci", "podman", "trivy", "syft", "cosign2"} {
		_, errPath := exec.LookPath(tool)
		if _, err := os.Stat(filepath.Join(os.Getenv(envTools), tool)); err != nil && errPath != nil {
			t.Logf("%s is not installed: the lines about it are skipped", tool)
		}
	}
	plain := startRegistry(t, registryOptions{})
	runScripts(t, storeKind{"registry", plain.open}, filepath.Join("testdata", "tools"))
	if os.Getenv(envNetwork) != "" {
		runScripts(t, storeKind{"registry", plain.open}, filepath.Join("testdata", "tools", "network"))
	}
}

// TestNetwork mirrors real modules from the configured GOPROXY.
func TestNetwork(t *testing.T) {
	if os.Getenv(envNetwork) == "" {
		t.Skipf("%s is not set: needs the configured GOPROXY", envNetwork)
	}
	plain := startRegistry(t, registryOptions{})
	runScripts(t, storeKind{"registry", plain.open}, filepath.Join("testdata", "network"))
}

func runScripts(t *testing.T, k storeKind, dir string) {
	network := filepath.Base(dir) == "network"
	testscript.Run(t, testscript.Params{
		Dir: dir,
		Setup: func(env *testscript.Env) error {
			k.open(t, env)
			return setup(env, network)
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"upstream":    cmdUpstream,
			"authority":   cmdAuthority,
			"keypair":     cmdKeypair,
			"sumdb":       cmdSumDB,
			"grow":        cmdGrow,
			"asked":       cmdAsked,
			"shim":        cmdShim,
			"stopshim":    cmdStopShim,
			"status":      cmdStatus,
			"client":      cmdClient,
			"certificate": cmdCertificate,
			"netrc":       cmdNetrc,
			"dialled":     cmdDialled,
			"meddle":      cmdMeddle,
			"outage":      cmdOutage,
			"manifest":    cmdManifest,
			"setenv":      cmdSetenv,
			"login":       cmdLogin,
			"logout":      cmdLogout,
			"retag":       cmdRetag,
			"rot":         cmdRot,
			"damage":      cmdDamage,
			"scratch":     cmdScratch,
			"exits":       cmdExits,
			"faulty":      cmdFaulty,
			"terminal":    cmdTerminal,
			"paste":       cmdPaste,
			"job":         cmdJob,
			"replicas":    cmdReplicas,
			"crowd":       cmdCrowd,

			"restart":        cmdRestart,
			"collectgarbage": cmdCollectGarbage,

			"replicate":     cmdReplicate,
			"forge":         cmdForge,
			"trivydb":       cmdTrivyDB,
			"forgesnapshot": cmdForgeSnapshot,
		},
		Condition:           condition(k.name),
		RequireExplicitExec: true,
	})
}

// condition lets a line of a script run for one kind of store only: [store:gitea].
func condition(kind string) func(string) (bool, error) {
	return func(cond string) (bool, error) {
		want, ok := strings.CutPrefix(cond, "store:")
		if !ok {
			return false, fmt.Errorf("unknown condition %s", cond)
		}
		return want == kind, nil
	}
}

// setup gives a script a home of its own: nothing of the machine's go, docker or cosign configuration is
// seen, and unless the script is about the network, GOPROXY is off. Only the build cache is shared, for speed.
func setup(env *testscript.Env, network bool) error {
	env.Values[shimKey{}] = &shim{}
	env.Values[logKey{}] = &sumLog{}
	env.Values[terminalKey{}] = &terminal{}
	env.Values[replicasKey{}] = &replicas{}
	env.Values[outsideKey{}] = &outside{}
	bin := filepath.Join(env.WorkDir, ".bin")
	if err := os.MkdirAll(bin, 0o755); err != nil {
		return err
	}
	for name, from := range map[string]string{"modferry": envModferry, "cosign2": envCosign2, "cosign3": envCosign3} {
		path := os.Getenv(from)
		if path == "" {
			continue
		}
		if err := os.Symlink(path, filepath.Join(bin, name)); err != nil {
			return err
		}
	}
	home := filepath.Join(env.WorkDir, ".home")
	demo, err := filepath.Abs("demo")
	if err != nil {
		return err
	}
	cache, err := goEnv("GOCACHE")
	if err != nil {
		return err
	}
	path := []string{bin, env.Getenv("PATH")}
	if tools := os.Getenv(envTools); tools != "" {
		path = slices.Insert(path, 1, tools)
	}
	vars := map[string]string{
		"HOME":            home,
		"XDG_RUNTIME_DIR": filepath.Join(home, "run"),
		"PATH":            strings.Join(path, string(os.PathListSeparator)),
		"GOCACHE":         cache,
		"GOPATH":          filepath.Join(home, "go"),
		"GOENV":           "off",
		"GOTOOLCHAIN":     "local",
		"GOTELEMETRY":     "off",
		"GOFLAGS":         "-modcacherw",
		"COSIGN_PASSWORD": signtest.Password,
		"MODFERRY_CACHE":  filepath.Join(env.WorkDir, ".shim"),
		"DEMO":            demo,
	}
	vars["GOPROXY"] = "off"
	if network {
		if vars["GOPROXY"], err = goEnv("GOPROXY"); err != nil {
			return err
		}
	}
	for k, v := range vars {
		env.Setenv(k, v)
	}
	return os.MkdirAll(home, 0o755)
}

// goEnv is what the machine's go command says of a variable.
func goEnv(name string) (string, error) {
	out, err := exec.Command("go", "env", name).Output()
	return strings.TrimSpace(string(out)), err
}

// openLayout puts the store into a directory of the script. Its outage is the directory moving away.
func openLayout(_ *testing.T, env *testscript.Env) {
	dir := filepath.Join(env.WorkDir, "store")
	env.Setenv("STORE", "oci:"+dir)
	env.Values[outageKey{}] = outage(layoutOutage(dir))
}
