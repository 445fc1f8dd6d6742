package wire

import "errors"

// Limits of an envelope: what stands before a request, its delimiter included.
const (
	MaxEnvelopeFrames = 16
	MaxEnvelopeBytes  = 1024
)

// Errors of Split.
var (
	// ErrEnvelope: the envelope is longer than the limits. There is nowhere to
	// send an answer, so such a message is dropped.
	ErrEnvelope = errors.New("envelope too long")
	// ErrNoDelimiter: the first frame is no command and no frame is empty.
	ErrNoDelimiter = errors.New("no command, which is capitals, and no empty frame that ends an envelope")
)

// Split parts a received message, without its routing id, into the envelope
// that the answer carries too and the request after it.
//
// A first frame of 3 to 12 capitals A to Z is a command and means that there is
// no envelope. Otherwise the envelope is everything up to and with the first
// empty frame. Both results share the memory of frames.
func Split(frames [][]byte) (envelope, request [][]byte, err error) {
	if len(frames) > 0 && isWord(frames[0]) {
		return nil, frames, nil
	}
	size := 0
	for i, f := range frames {
		size += len(f)
		if len(f) > 0 {
			continue
		}
		if i >= MaxEnvelopeFrames || size > MaxEnvelopeBytes {
			return nil, nil, ErrEnvelope
		}
		return frames[:i+1], frames[i+1:], nil
	}
	return nil, nil, ErrNoDelimiter
}

// isWord reports whether f has the form of a command: 3 to 12 capitals.
func isWord(f []byte) bool {
	if len(f) < 3 || len(f) > 12 {
		return false
	}
	for _, c := range f {
		if c < 'A' || c > 'Z' {
			return false
		}
	}
	return true
}
