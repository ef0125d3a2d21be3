package artifact

import (
	"archive/zip"
	"bytes"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/google/licensecheck"
	"golang.org/x/mod/module"
)

// Licences are found in the texts at the root of a module's zip, by comparing them with the licences below. What is found
// is in the manifest's annotations and in the SBOM, so it must be the same in any year: the version of the library and
// this list are part of the format. A new licence here gives modules that have it another digest, beside which the one
// without licences stays good: see [Artifact.WithoutLicenses].
var knownLicenses = []string{
	"0BSD", "AGPL-3.0", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "BSL-1.0", "CC0-1.0", "EPL-2.0", "GPL-2.0", "GPL-3.0", "ISC", "LGPL-2.1", "LGPL-3.0",
	"MIT", "MIT-0", "MPL-2.0", "Unlicense", "Zlib",
}

const (
	// minCoverage is how much of a text has to be that of licences, in percent, as pkg.go.dev has it.
	minCoverage = 75
	// maxLicense bounds a text, in bytes.
	maxLicense = 1 << 20
	// maxLicenses bounds the texts of a module.
	maxLicenses = 10
)

// licenseNames are what files with a licence are called, in lower case and without extension.
var licenseNames = []string{"license", "licence", "copying", "unlicense", "mit-license", "license-mit", "license-apache", "licence-mit"}

// licenseScanner knows the licences. Making it takes a tenth of a second and 10 MB, and that of all licences there are
// seconds and a hundred MB.
var licenseScanner = sync.OnceValues(func() (*licensecheck.Scanner, error) {
	all := slices.DeleteFunc(licensecheck.BuiltinLicenses(), func(l licensecheck.License) bool { return !slices.Contains(knownLicenses, l.ID) })
	return licensecheck.NewScanner(all)
})

// FindLicenses returns, sorted, the SPDX identifiers of the licences in the root of a module's zip. There is none, if a
// text is not recognised: half of the truth would pass for all of it.
func FindLicenses(z *zip.Reader, m module.Version) ([]string, error) {
	found := make(map[string]bool)
	texts := 0
	for _, f := range z.File {
		name, inRoot := strings.CutPrefix(f.Name, m.String()+"/")
		if !inRoot || !isLicenseName(name) {
			continue
		}
		if texts++; texts > maxLicenses || f.UncompressedSize64 > maxLicense {
			return nil, nil
		}
		var text bytes.Buffer
		if err := copyEntry(&text, f, nil); err != nil {
			return nil, corruptZip(err)
		}
		scanner, err := licenseScanner()
		if err != nil {
			return nil, err
		}
		coverage := scanner.Scan(text.Bytes())
		if coverage.Percent < minCoverage || len(coverage.Match) == 0 {
			return nil, nil
		}
		for _, match := range coverage.Match {
			found[match.ID] = true
		}
	}
	return slices.Sorted(maps.Keys(found)), nil
}

// isLicenseName reports whether a file in the root of a module has a licence.
func isLicenseName(name string) bool {
	name = strings.ToLower(name)
	switch ext := path.Ext(name); ext {
	case ".md", ".txt", ".rst":
		name = strings.TrimSuffix(name, ext)
	}
	return slices.Contains(licenseNames, name)
}

// LicenseExpression is the SPDX expression of licences that all apply; "" if none is known.
func LicenseExpression(ids []string) string { return strings.Join(ids, " AND ") }
