// Package e2e drives the modferry binary as its users do: with the real go command, a real distribution
// registry and, for signatures, the real cosign command lines. The scripts in testdata are meant to be read.
package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// binaries the Makefile builds or fetches and hands over.
const (
	envModferry = "MODFERRY_BIN"
	envRegistry = "REGISTRY_BIN"
	envCosign2  = "COSIGN2_BIN"
	envCosign3  = "COSIGN3_BIN"
	envNetwork  = "MODFERRY_E2E_NETWORK"
)

// storeKind is one place artifacts can live. Every script runs against each kind.
type storeKind struct {
	name string
	// open prepares a store of this kind for one script and tells the script about it through env.
	open func(t *testing.T, env *testscript.Env)
}

func TestScripts(t *testing.T) {
	plain := startRegistry(t, registryOptions{})
	private := startRegistry(t, registryOptions{user: robot, password: robotPassword})
	kinds := []storeKind{
		{"oci", openLayout},
		{"registry", plain.open},
		{"registry-with-password", private.open},
	}
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) { runScripts(t, k, filepath.Join("testdata", "script")) })
	}
}

// TestRegistryScripts are about what others can do to a registry.
func TestRegistryScripts(t *testing.T) {
	plain := startRegistry(t, registryOptions{})
	runScripts(t, storeKind{"registry", plain.open}, filepath.Join("testdata", "registry"))
}

// TestPasswordScripts are about a registry that wants a password.
func TestPasswordScripts(t *testing.T) {
	private := startRegistry(t, registryOptions{user: robot, password: robotPassword})
	runScripts(t, storeKind{"registry-with-password", private.open}, filepath.Join("testdata", "password"))
}

// TestLayoutScripts are about the oci: directory as other tools see it.
func TestLayoutScripts(t *testing.T) {
	runScripts(t, storeKind{"oci", openLayout}, filepath.Join("testdata", "layout"))
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
			"upstream": cmdUpstream,
			"sumdb":    cmdSumDB,
			"grow":     cmdGrow,
			"asked":    cmdAsked,
			"shim":     cmdShim,
			"stopshim": cmdStopShim,
			"status":   cmdStatus,
			"client":   cmdClient,
			"dialled":  cmdDialled,
			"meddle":   cmdMeddle,
			"outage":   cmdOutage,
			"setenv":   cmdSetenv,
			"login":    cmdLogin,
			"logout":   cmdLogout,
			"retag":    cmdRetag,
			"rot":      cmdRot,
			"exits":    cmdExits,
			"faulty":   cmdFaulty,

			"replicate":     cmdReplicate,
			"forge":         cmdForge,
			"forgesnapshot": cmdForgeSnapshot,
		},
		Condition:           condition(k.name),
		RequireExplicitExec: true,
	})
}

// condition lets a line of a script run for one kind of store only: [store:oci].
func condition(kind string) func(string) (bool, error) {
	return func(cond string) (bool, error) {
		want, ok := strings.CutPrefix(cond, "store:")
		return ok && (want == kind || want == "registry" && strings.HasPrefix(kind, "registry")), nil
	}
}

// setup gives a script a home of its own: nothing of the machine's go, docker or cosign configuration is
// seen, and unless the script is about the network, GOPROXY is off. Only the build cache is shared, for speed.
func setup(env *testscript.Env, network bool) error {
	env.Values[shimKey{}] = &shim{}
	env.Values[logKey{}] = &sumLog{}
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
	cache, err := exec.Command("go", "env", "GOCACHE").Output()
	if err != nil {
		return err
	}
	vars := map[string]string{
		"HOME":            home,
		"XDG_RUNTIME_DIR": filepath.Join(home, "run"),
		"PATH":            bin + string(os.PathListSeparator) + env.Getenv("PATH"),
		"GOCACHE":         strings.TrimSpace(string(cache)),
		"GOPATH":          filepath.Join(home, "go"),
		"GOENV":           "off",
		"GOTOOLCHAIN":     "local",
		"GOTELEMETRY":     "off",
		"GOFLAGS":         "-modcacherw",
		"COSIGN_PASSWORD": "correct horse",
		"MODFERRY_CACHE":  filepath.Join(env.WorkDir, ".shim"),
		"DEMO":            demo,
	}
	vars["GOPROXY"] = "off"
	if network {
		upstream, err := exec.Command("go", "env", "GOPROXY").Output()
		if err != nil {
			return err
		}
		vars["GOPROXY"] = strings.TrimSpace(string(upstream))
	}
	for k, v := range vars {
		env.Setenv(k, v)
	}
	return os.MkdirAll(home, 0o755)
}

// openLayout puts the store into a directory of the script. Its outage is the directory moving away.
func openLayout(_ *testing.T, env *testscript.Env) {
	dir := filepath.Join(env.WorkDir, "store")
	env.Setenv("STORE", "oci:"+dir)
	env.Values[outageKey{}] = outage(layoutOutage(dir))
}
