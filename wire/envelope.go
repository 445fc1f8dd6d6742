package wire

import "errors"

// Limits of an envelope, which comes before a request and includes its delimiter.
const (
	MaxEnvelopeFrames = 16
	MaxEnvelopeBytes  = 1024
)

// Errors of Split.
var (
	// ErrEnvelope: the envelope exceeds the limits. The message is dropped, because
	// an answer could not be addressed.
	ErrEnvelope = errors.New("envelope too long")
	// ErrNoDelimiter: the first frame is not a command, and no frame is empty.
	ErrNoDelimiter = errors.New("no command of 3 to 12 capitals, and no empty frame that ends an envelope")
)

// Split splits a received message, without its routing id, into its envelope, which
// the answer carries too, and the request.
//
// If the first frame is 3 to 12 capitals A to Z, it is a command and there is no
// envelope. Otherwise the envelope ends with the first empty frame. Both results
// share the memory of frames.
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
