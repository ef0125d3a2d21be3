// Package prune removes module versions from a store in two steps: a plan, which somebody reads, and its execution,
// which removes exactly what is in the plan and only as long as it is what it was.
//
// What goes, see [Rules]. With a version go the signatures of its manifest and the list of its referrers, its
// evidence in the checksum database unless its other form stays, and the recorded revisions that mean it. Snapshots
// of checksum databases and indexes never go: a plan cannot name them.
//
// A plan is text, and lines may be taken out of it:
//
//	plan    = "modferry prune plan 1\n" "store " store "\n" { removal | comment | "\n" }
//	removal = "remove " repository ":" tag " " digest " " size " " reason "\n" { "  with " tag " " digest "\n" }
//	comment = "#" text "\n"
//
// Each "with" line must belong to the version above it, so that a plan from which only the version was taken out is
// refused: nothing that stays loses its signature.
package prune
