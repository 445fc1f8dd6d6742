package auth

import zmq "github.com/pebbe/zmq4"

// keyOctets is the length of a key in Z85.
const keyOctets = 40

// IsKey reports whether text is a CURVE key in Z85.
func IsKey(text string) bool {
	return len(text) == keyOctets && zmq.Z85encode(zmq.Z85decode(text)) == text
}
