package main

import (
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/modferry/modferry/registry/collect/mirrorfile"
)

// Names of options that several commands share.
const (
	flagRegistry   = "registry"
	flagCAFile     = "ca-file"
	flagKey        = "key"
	flagSkipVerify = "insecure-skip-verify"
	flagPrivate    = "private"
	flagUnrecorded = "allow-unrecorded"
	flagJobs       = "jobs"
	flagJSON       = "json"
	flagCache      = "cache"
	flagCacheMax   = "cache-max"
	flagRecheck    = "recheck"
	flagListen     = "listen"
)

const (
	defaultListen  = "127.0.0.1:7070"
	defaultRecheck = time.Hour
	defaultJobs    = 4
)

// storeFlags say where artifacts live. The default is the embedded store: no server, nothing to install.
func (a *app) storeFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{
			Name: flagRegistry, Value: a.defaultStore(), DefaultText: "oci: in the user's data directory",
			Usage: "the `STORE`: host/namespace, oci:DIR, or routes by module prefix, PREFIX=STORE,…,STORE",
		},
		&cli.StringFlag{Name: flagCAFile, Usage: "trust the certificates in `FILE` (PEM) besides the system's when talking to the registry"},
	}
}

// trustFlags say whose signatures are accepted.
func trustFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringSliceFlag{Name: flagKey, Usage: "accept what the public key in `FILE` (cosign.pub) signed; repeat it, or separate with commas, for several"},
		boolFlag(flagSkipVerify, "accept unsigned and foreign artifacts (hashes are still checked); for trying things out only"),
	}
}

// keysFlag is for the commands that check signatures only where there are keys to check them with.
func keysFlag(check string) cli.Flag {
	return &cli.StringSliceFlag{Name: flagKey, Usage: check + " the public key in `FILE`; repeat it, or separate with commas, for several"}
}

// cacheFlags say where a shim keeps what it has verified, and for how long.
func cacheFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: flagCache, Value: cacheDir("modules"), DefaultText: "in the user's cache directory", Usage: "keep what was verified in `DIR`"},
		&cli.StringFlag{Name: flagCacheMax, Value: "10GB", Usage: "drop the least recently used versions above `SIZE`; 0 is no limit"},
		&cli.DurationFlag{Name: flagRecheck, Value: defaultRecheck, Usage: "ask the registry again about a cached version after `DURATION`; 0 is every time"},
	}
}

// shimFlags are those of the commands that run a shim, but for [cacheFlags].
func (a *app) shimFlags() []cli.Flag {
	return slices.Concat(a.storeFlags(), trustFlags(), recordFlags())
}

// recordFlags say which versions need a record of the checksum database.
func recordFlags() []cli.Flag {
	return []cli.Flag{
		sumdbFlag(), privateFlag(),
		boolFlag(flagUnrecorded, "accept modules that are not private without a record of the checksum database, although there is a snapshot of it"),
	}
}

// boolFlag is an option that is off unless given, so that its help need not say so.
func boolFlag(name, usage string) cli.Flag {
	return &cli.BoolFlag{Name: name, Usage: usage, DisableDefaultText: true}
}

func privateFlag() cli.Flag {
	return &cli.StringFlag{
		Name:  flagPrivate,
		Usage: "modules matching `PATTERNS` (as in GOPRIVATE) are not in the public checksum database, and it is never asked for them",
	}
}

func upstreamFlag() cli.Flag {
	return &cli.StringFlag{Name: flagUpstream, Usage: "fetch from `GOPROXY`, a list like the variable of that name, or a directory"}
}

func jobsFlag(what string) cli.Flag {
	return &cli.IntFlag{Name: flagJobs, Value: defaultJobs, Usage: what + " `N` versions at a time"}
}

func jsonFlag(what string) cli.Flag {
	return boolFlag(flagJSON, "print "+what+" as JSON, one value per line")
}

// flagsFromEnv gives every option its twin in the environment. It is done here and not by the flag library,
// which would read the environment of the process.
func (a *app) flagsFromEnv(c *cli.Context) error {
	for _, f := range c.Command.Flags {
		name := f.Names()[0]
		if c.IsSet(name) || name == "help" {
			continue
		}
		env := envName(name)
		v, ok := a.env(env)
		if !ok || v == "" {
			continue
		}
		if err := c.Set(name, v); err != nil {
			return usageErrorf("environment variable %s: %v", env, err)
		}
	}
	return nil
}

// envName is the environment twin of an option.
func envName(flag string) string {
	return "MODFERRY_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// defaultStore is the embedded store in the user's data directory: unlike a cache, nobody else's clean-up
// may delete it. The standard library has no function for that directory. It is empty for a user without one.
func (a *app) defaultStore() string {
	get := func(name string) string { v, _ := a.env(name); return v }
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

// jobs checks --jobs.
func jobs(c *cli.Context) (int, error) {
	n := c.Int(flagJobs)
	if n < 1 {
		return 0, usageErrorf("--%s must be at least 1", flagJobs)
	}
	return n, nil
}

// platforms checks --platform.
func platforms(c *cli.Context) ([]string, error) {
	list := c.StringSlice(flagPlatform)
	for _, p := range list {
		if err := mirrorfile.CheckPlatform(p); err != nil {
			return nil, usageErrorf("--%s: %v", flagPlatform, err)
		}
	}
	return list, nil
}
