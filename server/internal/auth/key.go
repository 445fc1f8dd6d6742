package auth

import zmq "github.com/pebbe/zmq4"

// keyLength is the number of characters of a key in Z85.
const keyLength = 40

// IsKey reports whether text is a CURVE key in Z85.
func IsKey(text string) bool {
	return len(text) == keyLength && zmq.Z85encode(zmq.Z85decode(text)) == text
}
