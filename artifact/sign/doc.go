// Package sign makes and checks the signatures of manifests, in the forms of cosign: cosign verify accepts what is
// signed here, and what cosign sign wrote is accepted here. Keys are ECDSA P-256. Certificates count as well, of
// authorities that a trusted root names, with what it demands of a transparency log or a timestamp authority. All that is
// checked is at hand: no log or other service is asked.
//
// # The classic format
//
// A signature stands in the repository of the manifest it is for, in an image
// with a tag made of that manifest's digest:
//
//	sha256-<hex>.sig   application/vnd.oci.image.manifest.v1+json
//	├─ config          application/vnd.oci.image.config.v1+json, lists the layers once more
//	└─ layers          one for each signature, new ones are appended
//	     mediaType     application/vnd.dev.cosign.simplesigning.v1+json
//	     digest, size  of the payload, which is also pushed as a blob
//	     annotations   dev.cosignproject.cosign/signature: the signature in base64
//	     data          the payload: written here, cosign leaves it out
//
// The payload is JSON of some 250 bytes that names the digest:
//
//	{"critical": {"identity": {"docker-reference": "registry.example/golang/corp.example/lib"},
//	              "image": {"docker-manifest-digest": "sha256:<hex>"},
//	              "type": "cosign container image signature"},
//	 "optional": null}
//
// The signature is ECDSA over the payload's SHA-256. Several keys may sign, and one signature by a trusted key is
// enough: whatever else is in the image, from other signers or broken, is passed over.
//
// # The bundle format
//
// What cosign v3 writes by default is a sigstore bundle (v0.3) in an image that refers to the manifest as its subject:
//
//	(referrer)         application/vnd.oci.image.manifest.v1+json
//	├─ artifactType    application/vnd.dev.sigstore.bundle.v0.3+json
//	├─ subject         the manifest
//	├─ config          {}
//	└─ layer           the bundle, inlined as well when it is written here
//
// In it is a DSSE envelope with an in-toto statement, whose subject is the digest and whose predicate type is
// https://sigstore.dev/cosign/sign/v1. With any other type it is an attestation, which says something about a manifest
// and does not sign it.
//
// # Whose signatures count
//
// Whose signatures count for which module, how many of them it takes, and what is not to be used whoever signed it, a
// [Policy] says, which a file states ([ParsePolicy]) and a [PolicyFile] follows; [Keys] are the simple case.
//
// # What is not covered
//
// A signature covers a digest and nothing else. It does not say which module version the manifest was asked for as,
// nor in which repository it belongs: the reference in the payload is not compared with anything, since copies live
// elsewhere. Comparing the manifest's own annotations with the request is up to the caller.
package sign
