package registry

import "strings"

// Nearest says, for the message of a [Problem], which of the names was
// probably meant by name, or lists them when none is near.
func Nearest(name string, names []string) string {
	best, distance := "", min(len(name)/2+1, 4)
	if len(name) <= maxName { // longer ones are no slip of the finger
		for _, candidate := range names {
			if d := editDistance(name, candidate); d < distance {
				best, distance = candidate, d
			}
		}
	}
	if best != "" {
		return "did you mean " + best + "?"
	}
	return "it may be " + strings.Join(names, ", ")
}

// editDistance counts the single bytes to insert, remove or replace.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
