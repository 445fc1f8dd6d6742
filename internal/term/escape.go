package term

import (
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// AppendEscaped appends text so that it cannot drive a terminal, end a line or a
// column, and can be told from any other: what does not print is \t, \n, \r or \x
// and two hex digits for each octet, and a backslash is two.
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

// appendPrinting appends the octets of a rune, or \x and two hex digits for each if
// it does not print.
func appendPrinting(b []byte, octets []byte) []byte {
	if r, n := utf8.DecodeRune(octets); strconv.IsPrint(r) && (r != utf8.RuneError || n > 1) {
		return append(b, octets...)
	}
	for _, octet := range octets {
		b = append(b, `\x`...)
		b = appendHex(b, octet)
	}
	return b
}

// Harmless returns what others said so that it cannot drive a terminal; otherwise it
// is as it was.
func Harmless(text string) string {
	b := make([]byte, 0, len(text))
	for len(text) > 0 {
		_, n := utf8.DecodeRuneInString(text)
		b = appendPrinting(b, []byte(text[:n]))
		text = text[n:]
	}
	return string(b)
}

// AppendSafeJSON appends a JSON text so that it cannot drive a terminal: \u stands
// for what JSON lets stand in strings though it does not print. Line feeds, which
// can only be between values, stay.
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

func appendHex(b []byte, octet byte) []byte {
	const digits = "0123456789abcdef"
	return append(b, digits[octet>>4], digits[octet&15])
}
