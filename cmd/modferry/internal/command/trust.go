package command

import (
	"context"

	"github.com/urfave/cli/v2"

	"github.com/modferry/modferry/artifact/sign"
)

// Options of an identity, by the names they have in cosign.
const (
	flagTrustedRoot     = "trusted-root"
	flagIdentity        = "certificate-identity"
	flagIdentityPattern = "certificate-identity-regexp"
	flagIssuer          = "certificate-oidc-issuer"
	flagIssuerPattern   = "certificate-oidc-issuer-regexp"
)

// identityFlags say whose certificates are accepted.
func identityFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: flagTrustedRoot, Usage: "accept certificates of the authorities in `FILE` (trusted_root.json), with what it demands: a log entry, a timestamp"},
		&cli.StringFlag{Name: flagIdentity, Usage: "the certificate is for the e-mail address or URI `SUBJECT`"},
		&cli.StringFlag{Name: flagIdentityPattern, Usage: "the certificate is for a subject all of which `REGEXP` matches"},
		&cli.StringFlag{Name: flagIssuer, Usage: "the provider `URL` vouches for the subject"},
		&cli.StringFlag{Name: flagIssuerPattern, Usage: "a provider vouches for the subject all of whose URL `REGEXP` matches; .* for certificates that name none"},
	}
}

// OptionalKeys are those that --key and --trusted-root name, of a command that works without any: nil then.
func OptionalKeys(c *cli.Context) (*sign.Keys, error) {
	var all []*sign.Keys
	for _, name := range c.StringSlice(trustKeyFlag(c.Command)) {
		keys, err := loadKey(c.Context, name)
		if err != nil {
			return nil, withKeygen(err)
		}
		all = append(all, keys)
	}
	i := sign.Identity{
		TrustedRoot: c.String(flagTrustedRoot),
		Subject:     c.String(flagIdentity), SubjectPattern: c.String(flagIdentityPattern),
		Issuer: c.String(flagIssuer), IssuerPattern: c.String(flagIssuerPattern),
	}
	switch {
	case i.TrustedRoot != "":
		keys, err := sign.LoadIdentity(i)
		if err != nil {
			return nil, WithHint(err, "--certificate-identity and --certificate-oidc-issuer say who may have signed, or their -regexp twins")
		}
		all = append(all, keys)
	case i != sign.Identity{}:
		return nil, UsageErrorf("--%s is needed with --%s and the like: whose certificates count?", flagTrustedRoot, flagIdentity)
	}
	if len(all) == 0 {
		return nil, nil
	}
	return sign.Union(all...), nil
}

// loadKey reads a public key from a file, or has a key management service tell it.
func loadKey(ctx context.Context, name string) (*sign.Keys, error) {
	if sign.IsKMS(name) {
		return sign.LoadKMSKey(ctx, name)
	}
	return sign.LoadKeys(name)
}
