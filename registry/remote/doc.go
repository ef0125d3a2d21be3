// Package remote is a [registry.Backend] in an OCI registry: it speaks the distribution specification by way of oras-go,
// with the credentials of docker and podman, tokens and client certificates, and tries again what may pass.
//
// What one registry does otherwise than the specification, or than the others, is handled here, so that nobody above has
// to know products: an answer gets its meaning in answer.go. Package registrytest has a fault for each such quirk.
package remote
