package main

import "strconv"

// count is how many there are, for people.
func count(n uint64) string { return grouped(float64(n)) }

// counted is how many there are of something, whose plural ends with s.
func counted[N int | uint64](n N, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return count(uint64(n)) + " " + one + "s"
}

// grouped formats a number without its fraction, thousands apart.
func grouped(n float64) string {
	s := strconv.FormatFloat(n, 'f', 0, 64)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
