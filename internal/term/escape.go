package term

import (
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// AppendEscaped appends text such that it cannot control a terminal, end a line or a column,
// and can be decoded. Bytes that do not print become \t, \n, \r, or \x and two hex digits, and
// a backslash becomes two.
func AppendEscaped(b []byte, text []byte) []byte {
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		switch {
		case r == '\\':
			b = append(b, `\\`...)
		case r == '\t':
			b = append(b, `\t`...)
		case r == '\n':
			b = append(b, `\n`...)
		case r == '\r':
			b = append(b, `\r`...)
		default:
			b = appendPrinting(b, text[:n])
		}
		text = text[n:]
	}
	return b
}

// appendPrinting appends the bytes of a rune, or \x and two hex digits for each byte if the rune
// does not print.
func appendPrinting(b []byte, char []byte) []byte {
	if r, n := utf8.DecodeRune(char); strconv.IsPrint(r) && (r != utf8.RuneError || n > 1) {
		return append(b, char...)
	}
	for _, c := range char {
		b = append(b, `\x`...)
		b = appendHex(b, c)
	}
	return b
}

// Harmless returns text from elsewhere such that it cannot control a terminal. Text that prints
// stays as it is.
func Harmless(text string) string {
	b := make([]byte, 0, len(text))
	for len(text) > 0 {
		_, n := utf8.DecodeRuneInString(text)
		b = appendPrinting(b, []byte(text[:n]))
		text = text[n:]
	}
	return string(b)
}

// AppendSafeJSON appends a JSON text such that it cannot control a terminal. Characters in
// strings that do not print become \u escapes. Line feeds, which JSON allows only between
// values, stay.
func AppendSafeJSON(b []byte, text []byte) []byte {
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		switch {
		case r == '\n' || strconv.IsPrint(r):
			b = append(b, text[:n]...)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			b = appendU(appendU(b, high), low)
		default:
			b = appendU(b, r)
		}
		text = text[n:]
	}
	return b
}

func appendU(b []byte, r rune) []byte {
	b = append(b, `\u`...)
	return appendHex(appendHex(b, byte(r>>8)), byte(r))
}

func appendHex(b []byte, c byte) []byte {
	const digits = "0123456789abcdef"
	return append(b, digits[c>>4], digits[c&15])
}
