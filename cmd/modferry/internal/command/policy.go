package command

import (
	"log/slog"
	"slices"

	"github.com/urfave/cli/v2"

	"github.com/modferry/modferry/artifact/sign"
)

// keyFlags are the names of the options that say whose signatures are accepted for every module. Of a command that
// signs as well, --key is the key to sign with.
func keyFlags(c *cli.Command) []string {
	return []string{trustKeyFlag(c), flagTrustedRoot, flagIdentity, flagIdentityPattern, flagIssuer, flagIssuerPattern}
}

func trustKeyFlag(c *cli.Command) string {
	if slices.ContainsFunc(c.Flags, func(f cli.Flag) bool { return f.Names()[0] == flagVerifyKey }) {
		return flagVerifyKey
	}
	return flagKey
}

// checkTrust checks that the options which say whom to trust do not contradict each other.
func checkTrust(c *cli.Context) error {
	keys := slices.ContainsFunc(keyFlags(c.Command), c.IsSet)
	policy, skip := c.String(FlagPolicy) != "", c.Bool(flagSkipVerify)
	switch {
	case keys && skip:
		return UsageErrorf("--%s and --%s contradict each other", trustKeyFlag(c.Command), flagSkipVerify)
	case policy && skip:
		return UsageErrorf("--%s and --%s contradict each other", FlagPolicy, flagSkipVerify)
	case policy && keys:
		return UsageErrorf("--%s and --%s contradict each other: the policy names the keys", trustKeyFlag(c.Command), FlagPolicy)
	case policy && c.Bool(FlagUnrecorded):
		return UsageErrorf("--%s and --%s contradict each other: the policy says which modules need a record", FlagUnrecorded, FlagPolicy)
	}
	return nil
}

// PolicyFile opens the trust policy that --policy names, to be followed; nil if there is none.
func PolicyFile(c *cli.Context, log *slog.Logger) (*sign.PolicyFile, error) {
	file := c.String(FlagPolicy)
	if file == "" {
		return nil, nil
	}
	if err := checkTrust(c); err != nil {
		return nil, err
	}
	return sign.OpenPolicy(file, sign.PolicyFileOptions{Log: log})
}

// Policy is the trust policy that --policy names, of a command whose other options do not say whom to trust; nil if
// there is none.
func Policy(c *cli.Context) (sign.Verifier, error) {
	if file := c.String(FlagPolicy); file != "" {
		return sign.LoadPolicy(file, nil)
	}
	return nil, nil
}

// OptionalVerifier is what --key or --policy ask for, of a command that works without either: nil then.
func OptionalVerifier(c *cli.Context) (sign.Verifier, error) {
	if err := checkTrust(c); err != nil {
		return nil, err
	}
	if file := c.String(FlagPolicy); file != "" {
		return sign.LoadPolicy(file, nil)
	}
	keys, err := OptionalKeys(c)
	if keys == nil || err != nil {
		return nil, err
	}
	return keys, nil
}
