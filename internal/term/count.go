package term

import "strconv"

// Count formats a number with commas between thousands.
func Count(n uint64) string { return Grouped(float64(n)) }

// Counted formats a number of things. The plural of one adds an s.
func Counted[N int | uint64](n N, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return Count(uint64(n)) + " " + one + "s"
}

// Grouped formats a number without its fraction, with commas between thousands.
func Grouped(n float64) string {
	s := strconv.FormatFloat(n, 'f', 0, 64)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
