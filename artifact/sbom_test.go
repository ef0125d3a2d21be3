package artifact

import (
	"testing"

	"golang.org/x/mod/module"
)

func TestSBOMHasPinnedBytes(t *testing.T) {
	const head = `{"$schema":"http://cyclonedx.org/schema/bom-1.5.schema.json","bomFormat":"CycloneDX","specVersion":"1.5","version":1,"components":[`
	for _, tt := range []struct{ path, version, component string }{
		{
			"example.com/a", "v1.2.3",
			`{"bom-ref":"pkg:golang/example.com/a@v1.2.3","type":"library","name":"example.com/a","version":"v1.2.3","purl":"pkg:golang/example.com/a@v1.2.3"}`,
		},
		{ // scanners match on the name in its own case
			"example.com/BurntSushi/toml", "v1.0.0",
			`{"bom-ref":"pkg:golang/example.com/BurntSushi/toml@v1.0.0","type":"library","name":"example.com/BurntSushi/toml","version":"v1.0.0","purl":"pkg:golang/example.com/BurntSushi/toml@v1.0.0"}`,
		},
		{ // a plus sign stands for itself in the version, escaped in the purl
			"example.com/a", "v2.0.0+incompatible",
			`{"bom-ref":"pkg:golang/example.com/a@v2.0.0%2Bincompatible","type":"library","name":"example.com/a","version":"v2.0.0+incompatible","purl":"pkg:golang/example.com/a@v2.0.0%2Bincompatible"}`,
		},
		{ // a Go distribution is known as its standard library
			"golang.org/toolchain", "v0.0.1-go1.26.2.linux-amd64",
			`{"bom-ref":"pkg:golang/stdlib@1.26.2","type":"library","name":"stdlib","version":"1.26.2","purl":"pkg:golang/stdlib@1.26.2"}`,
		},
		{
			"golang.org/toolchain", "v0.0.1-go1.27rc1.darwin-arm64",
			`{"bom-ref":"pkg:golang/stdlib@1.27rc1","type":"library","name":"stdlib","version":"1.27rc1","purl":"pkg:golang/stdlib@1.27rc1"}`,
		},
		{
			"golang.org/toolchain", "v0.0.2",
			`{"bom-ref":"pkg:golang/golang.org/toolchain@v0.0.2","type":"library","name":"golang.org/toolchain","version":"v0.0.2","purl":"pkg:golang/golang.org/toolchain@v0.0.2"}`,
		},
	} {
		want := head + tt.component + "]}\n"
		got, err := sbom(module.Version{Path: tt.path, Version: tt.version}, nil)
		if err != nil || string(got) != want {
			t.Errorf("SBOM of %s@%s is %s, %v\nwant %s", tt.path, tt.version, got, err, want)
		}
	}
}
