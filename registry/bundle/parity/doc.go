// Package parity writes a file beside a large one, a sidecar, from which what the large one loses on its way can be
// computed: on a scratched disc, or through a one-way link that cuts a file off.
//
// The volume is cut into n blocks, from which m more are computed by a Reed-Solomon code over all of them at once:
// any n of the n+m blocks give back the volume. So it makes no difference whether what is lost is one long stretch or
// lies scattered, nor whether it is lost from the volume or from the sidecar. What is lost leaves a gap of the same
// length, whatever is in it, or is the end; bytes that are missing or inserted elsewhere lose everything after them.
//
// The sidecar has m records, each of which tells everything there is to know about the volume:
//
//	record  = header { sum } payload checksum
//	header  = "modferry parity1" size volume m index check
//	size    = of the volume, 8 bytes; volume = its SHA-256, 32
//	m       = 4 bytes; index = of the record, from 0, 4; check = SHA-256 of the header so far, 32
//	sum     = the first 8 bytes of a block's SHA-256, of each block of the volume
//	payload = a computed block
//	checksum = SHA-256 of the record so far
//
// Numbers are big-endian. The last block of the volume is filled up with zeros. How many blocks there are follows
// from the volume's size: see geometry. A record is found by its beginning, wherever it is, so that records that
// others lost do no harm.
//
// Checksums are for accidents. Whether a volume is what somebody signed is found out from the volume, after its
// repair.
package parity
