package command

import "runtime/debug"

// version is set by the linker for builds from a working tree (-X).
var version string

// BuildVersion is version, or else the module version that the go command recorded.
func BuildVersion() string {
	if version != "" {
		return version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "(devel)"
	}
	return info.Main.Version
}
