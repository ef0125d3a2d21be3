package artifact

import (
	"bytes"
	"fmt"
	"net/url"
	"reflect"
	"strings"

	"github.com/CycloneDX/cyclonedx-go"
	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact/goproxy"
)

// sbom returns a CycloneDX document with m as its only component. Its bytes depend on m and its licences alone.
//
// Vulnerability scanners look the component up by its name, in its own case, and a document they cannot read is one
// without findings: so what was written is read back.
func sbom(m module.Version, licenses []string) ([]byte, error) {
	bom := cyclonedx.BOM{ // not NewBOM, whose specification version changes with the library
		JSONSchema:  "http://cyclonedx.org/schema/bom-1.5.schema.json",
		BOMFormat:   cyclonedx.BOMFormat,
		SpecVersion: cyclonedx.SpecVersion1_5,
		Version:     1,
		Components:  &[]cyclonedx.Component{component(m, licenses)},
	}
	var buf bytes.Buffer
	if err := cyclonedx.NewBOMEncoder(&buf, cyclonedx.BOMFileFormatJSON).Encode(&bom); err != nil {
		return nil, fmt.Errorf("SBOM: %w", err)
	}
	var back cyclonedx.BOM
	if err := cyclonedx.NewBOMDecoder(bytes.NewReader(buf.Bytes()), cyclonedx.BOMFileFormatJSON).Decode(&back); err != nil {
		return nil, fmt.Errorf("SBOM: %w", err)
	}
	if !reflect.DeepEqual(back.Components, bom.Components) {
		return nil, fmt.Errorf("SBOM of %s does not read back as it was written", m)
	}
	return buf.Bytes(), nil
}

// component describes m. A Go distribution is known to vulnerability databases as the standard library of its release.
func component(m module.Version, licenses []string) cyclonedx.Component {
	name, version := m.Path, m.Version
	if release := goproxy.ReleaseOf(m.Version); goproxy.IsToolchain(m) && release != "" {
		name, version = "stdlib", strings.TrimPrefix(release, "go")
	}
	purl := "pkg:golang/" + name + "@" + url.QueryEscape(version) // escapes the + of +incompatible
	c := cyclonedx.Component{
		BOMRef:     purl,
		Type:       cyclonedx.ComponentTypeLibrary,
		Name:       name,
		Version:    version,
		PackageURL: purl,
	}
	switch len(licenses) {
	case 0:
	case 1:
		c.Licenses = &cyclonedx.Licenses{{License: &cyclonedx.License{ID: licenses[0]}}}
	default:
		c.Licenses = &cyclonedx.Licenses{{Expression: LicenseExpression(licenses)}}
	}
	return c
}
