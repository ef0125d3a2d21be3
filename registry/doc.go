// Package registry keeps module versions in stores: in an OCI registry or in an OCI image layout directory. It finds
// and verifies them, lists them and publishes them so that nobody ever sees a part of one.
package registry
