package goproxy

// matchElements matches the elements of a path with those of a glob, in which **
// stands for any number of them.
//
// What comes before the last ** seen is settled: a later ** can stand for
// whatever an earlier one could give up. So only that one is ever made longer, and
// the time is at most the product of the lengths.
func matchElements(glob, path []string) bool {
	g, p := 0, 0
	star, from := -1, 0 // the last ** seen, and where what it stands for ends
	for p < len(path) {
		switch {
		case g < len(glob) && glob[g] == "**":
			star, from = g, p
			g++
		case g < len(glob) && matchElement(glob[g], path[p]):
			g++
			p++
		case star >= 0:
			from++
			g, p = star+1, from
		default:
			return false
		}
	}
	for g < len(glob) && glob[g] == "**" {
		g++
	}
	return g == len(glob)
}

// matchElement matches one element, in the same way; a * stands for one
// character at least.
func matchElement(glob, name string) bool {
	g, n := 0, 0
	star, from := -1, 0
	for n < len(name) {
		switch {
		case g < len(glob) && glob[g] == '*':
			star, from = g, n+1
			g++
			n++
		case g < len(glob) && glob[g] == name[n]:
			g++
			n++
		case star >= 0:
			from++
			g, n = star+1, from
		default:
			return false
		}
	}
	return g == len(glob)
}
