package main

// count is how many there are, for people.
func count(n uint64) string { return grouped(float64(n)) }

// counted is how many there are of something, whose plural ends with s.
func counted[N int | uint64](n N, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return count(uint64(n)) + " " + one + "s"
}
