package config

// nearest returns the name closest to a misspelt one; ok is false if none is close.
func nearest(misspelt string, names []string) (name string, ok bool) {
	least := len(misspelt)/3 + 1
	for _, n := range names {
		if d := distance(misspelt, n); d <= least && (d < least || !ok) {
			name, ok, least = n, true, d
		}
	}
	return name, ok
}

// distance returns the Levenshtein distance of a and b in bytes.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
