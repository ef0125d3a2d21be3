package sign

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/opencontainers/go-digest"
	"github.com/sigstore/sigstore-go/pkg/fulcio/certificate"
	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore-go/pkg/verify"

	"github.com/modferry/modferry/artifact/userfile"
	"github.com/modferry/modferry/registry/safetext"
)

// Identity is whose certificates count: of those that the authorities of a trusted root issued, the ones for a subject
// whom an issuer vouches for. Either the subject itself or its expression is needed, and likewise the issuer's. An
// expression (RE2) must match all of what it is compared with. Certificates of a private authority that name no issuer
// match the issuer expression ".*".
type Identity struct {
	TrustedRoot    string // file, a sigstore trusted_root.json
	Subject        string // the subject alternative name: an e-mail address, a URI
	SubjectPattern string
	Issuer         string // who identified the subject: the URL of an OpenID Connect provider
	IssuerPattern  string
}

// LoadIdentity returns a verifier that trusts an identity. What it needs besides a certificate is for the trusted root to
// say: an entry in a log if it names one, else a timestamp by one of its authorities, and a signed certificate timestamp
// if it names a certificate transparency log. All of it is checked offline. A root that names neither a log nor a timestamp
// authority is an error: nothing would tell that a signature was made while its certificate was valid.
func LoadIdentity(i Identity) (*Keys, error) {
	data, err := userfile.ReadAny(i.TrustedRoot, maxKeyFile)
	if err != nil {
		return nil, fmt.Errorf("trusted root: %w", err)
	}
	k, err := parseIdentity(data, i)
	if err != nil {
		return nil, fmt.Errorf("identity %s of trusted root %s: %w", i.name(), i.TrustedRoot, err)
	}
	keys := new(Keys)
	keys.add(k)
	return keys, nil
}

func parseIdentity(data []byte, i Identity) (key, error) {
	trusted, err := root.NewTrustedRootFromJSON(data)
	if err != nil {
		return key{}, fmt.Errorf("not a trusted root: %w", err)
	}
	demands, err := demandsOf(trusted)
	if err != nil {
		return key{}, err
	}
	bundles, err := verify.NewVerifier(trusted, demands...)
	if err != nil {
		return key{}, err
	}
	matcher, err := i.matcher()
	if err != nil {
		return key{}, err
	}
	all := strings.Join([]string{digest.FromBytes(data).String(), i.Subject, i.SubjectPattern, i.Issuer, i.IssuerPattern}, "\n")
	return key{
		id: "identity:" + digest.FromString(all).String(), name: i.name(),
		bundles: bundles, policy: verify.WithCertificateIdentity(matcher),
	}, nil
}

// demandsOf returns what a root has a signature prove.
func demandsOf(trusted *root.TrustedRoot) (demands []verify.VerifierOption, err error) {
	logs, authorities := len(trusted.RekorLogs()) > 0, len(trusted.TimestampingAuthorities()) > 0
	switch {
	case len(trusted.FulcioCertificateAuthorities()) == 0:
		return nil, errors.New("it names no certificate authority")
	case logs && authorities: // entries of the second version of the log have no time of their own
		demands = append(demands, verify.WithTransparencyLog(1), verify.WithObserverTimestamps(1))
	case logs:
		demands = append(demands, verify.WithTransparencyLog(1), verify.WithIntegratedTimestamps(1))
	case authorities:
		demands = append(demands, verify.WithSignedTimestamps(1))
	default:
		return nil, errors.New("it names neither a log nor a timestamp authority, which tell when a signature was made")
	}
	if len(trusted.CTLogs()) > 0 {
		demands = append(demands, verify.WithSignedCertificateTimestamps(1))
	}
	return demands, nil
}

func (i Identity) matcher() (none verify.CertificateIdentity, err error) {
	if (i.Subject == "") == (i.SubjectPattern == "") {
		return none, errors.New("either the subject or an expression for it is needed")
	}
	if (i.Issuer == "") == (i.IssuerPattern == "") {
		return none, errors.New("either the issuer or an expression for it is needed")
	}
	subject, err := whole(i.SubjectPattern)
	if err != nil {
		return none, fmt.Errorf("expression for the subject: %w", err)
	}
	issuer, err := whole(i.IssuerPattern)
	if err != nil {
		return none, fmt.Errorf("expression for the issuer: %w", err)
	}
	return verify.NewCertificateIdentity(
		verify.SubjectAlternativeNameMatcher{SubjectAlternativeName: i.Subject, Regexp: *subject},
		verify.IssuerMatcher{Issuer: i.Issuer, Regexp: *issuer}, certificate.Extensions{})
}

// whole compiles an expression that has to match all of a text, and the empty one to what matches everything.
func whole(pattern string) (*regexp.Regexp, error) {
	if pattern == "" {
		return regexp.Compile("")
	}
	if _, err := regexp.Compile(pattern); err != nil { // it might close the parenthesis
		return nil, err
	}
	return regexp.Compile("^(?:" + pattern + ")$")
}

// name returns what the identity is called: "subject (issuer)", with expressions between slashes. A certificate's subject
// may hold anything.
func (i Identity) name() string {
	subject, issuer := i.Subject, i.Issuer
	if i.SubjectPattern != "" {
		subject = "/" + i.SubjectPattern + "/"
	}
	if i.IssuerPattern != "" {
		issuer = "/" + i.IssuerPattern + "/"
	}
	return safetext.Lines([]byte(subject + " (" + issuer + ")"))
}
