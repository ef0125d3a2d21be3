// Package redact hides credentials in what people and logs get to see. It imports nothing of ours, so that every
// package may use it.
package redact

import (
	"regexp"
	"strings"

	"golang.org/x/mod/semver"
)

// mask stands where credentials were, as in what [net/url.URL.Redacted] returns.
const mask = "xxxxx"

const space = " \t\r\n\v\f"

var (
	// A URL that was taken for a path has lost a slash.
	scheme = regexp.MustCompile(`[A-Za-z0-9+.-]*://|(?i:https?|ssh|git):/`)
	word   = regexp.MustCompile(`[^` + space + `]+`)

	// A URL ends before white space and, in lists, before the next one. A space may be part of a password, but the end
	// of the line is not.
	urlEnd  = regexp.MustCompile(`[` + space + `]|[,|;=("'<](?i:https?|ssh|git|file)://`)
	fileEnd = regexp.MustCompile(`[,|` + space + `]|[A-Za-z0-9+.-]*://`)
	lineEnd = regexp.MustCompile(`\n|[` + space + `][^` + space + `]*://`)

	authorityEnd = regexp.MustCompile(`[/?#"',|]`)
	versionEnd   = regexp.MustCompile(`[^A-Za-z0-9.+:-]`)

	// parseError is where net/url repeats a part of what it cannot parse. That may be a part of a password.
	parseError = regexp.MustCompile(`(invalid (?:port|URL escape|character)) "(?:[^"\\]|\\.)*"`)
)

// Text hides the user and the password of every URL in a text: a message of another program, an error, a GOPROXY list.
// The user goes too, for that is where some tokens stand. In a password ":" "/" "@" and "%" need not be escaped.
// What reads user:password@host is taken for a URL without its scheme. Where a URL is cut off in its password, or
// net/url says what it stumbled over, nothing of the password is left. Other text stays as it is, and so does the @
// before versions and digests.
//
// White space ends a URL. So whoever shortens a text, or puts spaces in the place of control characters, does so
// afterwards.
func Text(text string) string {
	var out strings.Builder
	rest := text
	for m := scheme.FindStringIndex(rest); m != nil; m = scheme.FindStringIndex(rest) {
		before, scheme, after := rest[:m[0]], rest[m[0]:m[1]], rest[m[1]:]
		url := cutURL(scheme, after)
		out.WriteString(word.ReplaceAllStringFunc(before, withoutScheme))
		out.WriteString(scheme)
		out.WriteString(withScheme(scheme, url))
		rest = after[len(url):]
	}
	out.WriteString(word.ReplaceAllStringFunc(rest, withoutScheme))
	if hidden := out.String(); hidden != text {
		return parseError.ReplaceAllString(hidden, `$1 "`+mask+`"`)
	}
	return text
}

// cutURL returns what of the text after a scheme may be of its URL.
func cutURL(scheme, text string) string {
	if isFile(scheme, text) {
		return cutAt(fileEnd, text)
	}
	url := cutAt(urlEnd, text)
	if isCut(url) && !strings.Contains(url, "@") {
		if line := cutAt(lineEnd, text); strings.Contains(line, "@") {
			return line
		}
	}
	return url
}

// cutAt returns the text before the first match.
func cutAt(end *regexp.Regexp, text string) string {
	if m := end.FindStringIndex(text); m != nil {
		return text[:m[0]]
	}
	return text
}

// withScheme hides the credentials in what follows a scheme.
func withScheme(scheme, text string) string {
	if isFile(scheme, text) {
		return text
	}
	cut := isCut(text)
	if at := userEnd(text, !cut); at >= 0 {
		return mask + text[at:]
	}
	if cut {
		return mask
	}
	return text
}

// withoutScheme hides the credentials in a word that reads user:password@host. The layout directory oci:DIR does not.
func withoutScheme(word string) string {
	url := strings.TrimLeft(word, `"'(<[,|`)
	user, _, _ := strings.Cut(url, ":")
	at := userEnd(url, true)
	if len(user) >= at || user == "" || strings.ContainsAny(user, `/"'`) || user == "oci" || strings.HasSuffix(user, "=oci") {
		return word
	}
	return strings.TrimSuffix(word, url) + mask + url[at:]
}

// isFile reports whether a URL is file:// and an absolute path.
func isFile(scheme, text string) bool {
	return strings.EqualFold(scheme, "file://") && strings.HasPrefix(text, "/")
}

// isCut reports whether what follows a scheme begins with a user and a part of a password but lacks the @ after it. A
// host has nothing but a port after its colon.
func isCut(text string) bool {
	authority := cutAt(authorityEnd, text)
	if strings.HasPrefix(authority, "[") || strings.Contains(authority, "@") {
		return false
	}
	_, port, _ := strings.Cut(strings.TrimRight(authority, ".:;)>]}…\\`"), ":")
	return strings.Trim(port, "0123456789") != ""
}

// userEnd returns the index of the @ that ends the credentials, or -1. It is the last one; if versions can be in the
// text, the last one that is not of a version at the end of a path.
func userEnd(text string, versions bool) int {
	at := strings.LastIndexByte(text, '@')
	for versions && at >= 0 && isVersion(text[at+1:]) {
		before := strings.LastIndexByte(text[:at], '@')
		if !strings.Contains(text[before+1:at], "/") {
			break
		}
		at = before
	}
	return at
}

// isVersion reports whether what follows an @ is a version, a digest, or part of a path of the GOPROXY protocol,
// and not a host.
func isVersion(text string) bool {
	v := cutAt(versionEnd, text)
	v = strings.TrimRight(v, ".:")
	for _, ext := range []string{".info", ".mod", ".zip"} {
		v = strings.TrimSuffix(v, ext)
	}
	return v == "v" || v == "latest" || strings.HasPrefix(v, "sha256:") || semver.IsValid(v) && strings.Count(v, ".") >= 2
}
