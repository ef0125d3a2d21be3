package command

import (
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/modferry/modferry/artifact/goproxy"
	"github.com/modferry/modferry/registry/collect/mirrorfile"
	"github.com/modferry/modferry/registry/gocmd"
)

// Names of options that several commands share.
const (
	FlagRegistry   = "registry"
	flagCAFile     = "ca-file"
	flagClientCert = "client-cert"
	flagClientKey  = "client-key"
	flagKey        = "key"
	flagVerifyKey  = "verify-key"
	FlagPolicy     = "policy"
	flagSkipVerify = "insecure-skip-verify"
	FlagPrivate    = "private"
	FlagUnrecorded = "allow-unrecorded"
	flagJobs       = "jobs"
	FlagJSON       = "json"
	FlagCache      = "cache"
	FlagCacheMax   = "cache-max"
	FlagRecheck    = "recheck"
	FlagListen     = "listen"
	FlagSignKey    = "sign-key"
	FlagNoSign     = "no-sign"
	FlagDryRun     = "dry-run"
	FlagUpstream   = "upstream"
	FlagPlatform   = "platform"
)

const (
	DefaultListen  = "127.0.0.1:7070"
	DefaultRecheck = time.Hour
	defaultJobs    = 4
)

// StoreFlags say where artifacts live. The default is the embedded store: no server, nothing to install.
func (a *App) StoreFlags() []cli.Flag {
	return append([]cli.Flag{
		&cli.StringFlag{
			Name: FlagRegistry, Value: a.defaultStore(), DefaultText: "oci: in the user's data directory",
			Usage: "the `STORE`: host/namespace, oci:DIR, or routes by module prefix, PREFIX=STORE,…,STORE",
		},
	}, TLSFlags()...)
}

// TLSFlags say which certificates of registries to trust, and which one to show them.
func TLSFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: flagCAFile, Usage: "trust the certificates in `FILE` (PEM) besides the system's when talking to the registry"},
		&cli.StringFlag{Name: flagClientCert, Usage: "show the registry the client certificate in `FILE` (PEM, with its chain)"},
		&cli.StringFlag{Name: flagClientKey, Usage: "the private key in `FILE` (PEM) of the client certificate", DefaultText: "in the certificate's file"},
	}
}

// TrustFlags say whose signatures are accepted.
func TrustFlags() []cli.Flag {
	return slices.Concat(KeysFlags("accept what was signed with"), []cli.Flag{
		BoolFlag(flagSkipVerify, "accept unsigned and foreign artifacts (hashes are still checked); for trying things out only"),
	})
}

// KeysFlags are for the commands that check signatures only where there are keys to check them with.
func KeysFlags(check string) []cli.Flag { return keysFlags(flagKey, check) }

// KeyFlag is for what only keys sign.
func KeyFlag(check string) cli.Flag { return publicKeyFlag(flagKey, check) }

func publicKeyFlag(name, check string) cli.Flag {
	return &cli.StringSliceFlag{Name: name, Usage: check + " the public key in `FILE` (cosign.pub), of the environment as env://NAME, or of NAME://KEY in a KMS; repeat it, or separate with commas, for several"}
}

// VerifyKeysFlags are [KeysFlags] for the commands that sign with --key.
func VerifyKeysFlags(check string) []cli.Flag { return keysFlags(flagVerifyKey, check) }

func keysFlags(name, check string) []cli.Flag {
	return append([]cli.Flag{
		publicKeyFlag(name, check),
		&cli.StringFlag{Name: FlagPolicy, Usage: "in the place of keys, the trust policy in `FILE` says what is accepted"},
	}, identityFlags()...)
}

// CacheFlags say where a shim keeps what it has verified, and for how long.
func CacheFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: FlagCache, Value: cacheDir("modules"), DefaultText: "in the user's cache directory", Usage: "keep what was verified in `DIR`"},
		&cli.StringFlag{Name: FlagCacheMax, Value: "10GB", Usage: "drop the least recently used versions above `SIZE`; 0 is no limit"},
		&cli.DurationFlag{Name: FlagRecheck, Value: DefaultRecheck, Usage: "ask the registry again about a cached version after `DURATION`; 0 is every time"},
	}
}

// ShimFlags are those of the commands that run a shim, but for [cacheFlags].
func (a *App) ShimFlags() []cli.Flag {
	return slices.Concat(a.StoreFlags(), TrustFlags(), RecordFlags())
}

// RecordFlags say which versions need a record of the checksum database.
func RecordFlags() []cli.Flag {
	return []cli.Flag{
		SumDBFlag(), PrivateFlag(),
		BoolFlag(FlagUnrecorded, "accept modules that are not private without a record of the checksum database, although there is a snapshot of it"),
	}
}

// BoolFlag is an option that is off unless given, so that its help need not say so.
func BoolFlag(name, usage string) cli.Flag {
	return &cli.BoolFlag{Name: name, Usage: usage, DisableDefaultText: true}
}

// PrivateFlag says which modules are not in the public checksum database.
func PrivateFlag() cli.Flag {
	return &cli.StringFlag{
		Name:  FlagPrivate,
		Usage: "modules matching `PATTERNS` (as in GOPRIVATE) are not in the public checksum database, and it is never asked for them",
		Action: func(_ *cli.Context, list string) error {
			if err := goproxy.CheckPrivateList(list); err != nil {
				return UsageErrorf("--%s: %v", FlagPrivate, err)
			}
			return nil
		},
	}
}

// UpstreamFlag says where modules come from.
func UpstreamFlag() cli.Flag {
	return &cli.StringFlag{Name: FlagUpstream, Usage: "fetch from `GOPROXY`, a list like the variable of that name, or a directory"}
}

// JobsFlag says how many versions are worked on at a time; what is the verb.
func JobsFlag(what string) cli.Flag {
	return &cli.IntFlag{Name: flagJobs, Value: defaultJobs, Usage: what + " `N` versions at a time"}
}

// CopyJobsFlag is JobsFlag of a command that copies, which knows best how many: see [CopyJobs].
func CopyJobsFlag(what string) cli.Flag {
	return &cli.IntFlag{Name: flagJobs, DefaultText: "4, and 32 into a directory", Usage: what + " `N` versions at a time"}
}

// JSONFlag asks for output that programs read; what is what is printed.
func JSONFlag(what string) cli.Flag {
	return BoolFlag(FlagJSON, "print "+what+" as JSON, one value per line")
}

// FlagsFromEnv gives every option its twin in the environment. It is done here and not by the flag library,
// which would read the environment of the process.
func (a *App) FlagsFromEnv(c *cli.Context) error {
	saysTrust := func(f cli.Flag) bool {
		return slices.Contains(append(keyFlags(c.Command), FlagPolicy, flagSkipVerify), f.Names()[0])
	}
	trustSaid := slices.ContainsFunc(c.Command.Flags, func(f cli.Flag) bool { return saysTrust(f) && c.IsSet(f.Names()[0]) })
	for _, f := range c.Command.Flags {
		name := f.Names()[0]
		if c.IsSet(name) || name == "help" {
			continue
		}
		if trustSaid && saysTrust(f) { // the one on the command line takes the place of the others
			continue
		}
		env := EnvName(name)
		v, ok := a.Env(env)
		if !ok || v == "" {
			continue
		}
		if err := c.Set(name, v); err != nil {
			return UsageErrorf("environment variable %s: %v", env, err)
		}
	}
	return nil
}

// EnvName is the environment twin of an option.
func EnvName(flag string) string {
	return "MODFERRY_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// defaultStore is the embedded store in the user's data directory: unlike a cache, nobody else's clean-up
// may delete it. The standard library has no function for that directory. It is empty for a user without one.
func (a *App) defaultStore() string {
	get := func(name string) string { v, _ := a.Env(name); return v }
	dir := get("XDG_DATA_HOME")
	switch {
	case filepath.IsAbs(dir):
	case runtime.GOOS == "windows" && get("LocalAppData") != "":
		dir = get("LocalAppData")
	case get("HOME") == "":
		return ""
	case runtime.GOOS == "darwin":
		dir = filepath.Join(get("HOME"), "Library", "Application Support")
	default:
		dir = filepath.Join(get("HOME"), ".local", "share")
	}
	return "oci:" + filepath.Join(dir, "modferry", "store")
}

// cacheDir is a directory of ours in the user's cache directory, or empty for a user without one.
func cacheDir(name string) string {
	dir, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	return filepath.Join(dir, "modferry", name)
}

// Jobs checks --jobs.
func Jobs(c *cli.Context) (int, error) {
	n := c.Int(flagJobs)
	if n < 1 {
		return 0, UsageErrorf("--%s must be at least 1", flagJobs)
	}
	return n, nil
}

// CopyJobs is Jobs of [CopyJobsFlag]; 0 = nobody said how many.
func CopyJobs(c *cli.Context) (int, error) {
	if !c.IsSet(flagJobs) {
		return 0, nil
	}
	return Jobs(c)
}

// Platforms checks --platform.
func Platforms(c *cli.Context) ([]string, error) {
	list := c.StringSlice(FlagPlatform)
	if len(list) == 0 {
		return nil, nil
	}
	known := gocmd.Platforms(c.Context)
	for _, p := range list {
		if err := mirrorfile.CheckPlatform(p); err != nil {
			return nil, UsageErrorf("--%s: %v", FlagPlatform, err)
		}
		if len(known) > 0 && !slices.Contains(known, p) {
			return nil, WithHint(UsageErrorf("--%s: this Go does not build for %q", FlagPlatform, p), `"go tool dist list" shows for which it does`)
		}
	}
	return list, nil
}
