package backup

import (
	"bufio"
	"bytes"
	"errors"
	"io"

	"github.com/klauspost/compress/zstd"
)

// frameText is how much text a frame has before it is ended with a commit.
const frameText = 1 << 20

// How far back a frame refers, which bounds the memory that it takes to read it: of
// those that are written here, and of those that are read, which others may have
// compressed.
const (
	frameWindow = 1 << 20
	mostWindow  = 8 << 20
)

// plainSink takes text as it is.
type plainSink struct{ *bufio.Writer }

func newPlainSink(w io.Writer) plainSink { return plainSink{bufio.NewWriterSize(w, 64<<10)} }

func (plainSink) endCommit() error { return nil }
func (p plainSink) flush() error   { return p.Flush() }

// A frameSink compresses text.
type frameSink struct {
	to      io.Writer
	encoder *zstd.Encoder
	text    bytes.Buffer
	frame   []byte
}

func newFrameSink(to io.Writer) (*frameSink, error) {
	encoder, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(frameWindow))
	return &frameSink{to: to, encoder: encoder}, err
}

// Write implements io.Writer.
func (f *frameSink) Write(b []byte) (int, error) { return f.text.Write(b) }

func (f *frameSink) endCommit() error {
	if f.text.Len() < frameText {
		return nil
	}
	return f.flush()
}

func (f *frameSink) flush() error {
	if f.text.Len() == 0 {
		return nil
	}
	f.frame = f.encoder.EncodeAll(f.text.Bytes(), f.frame[:0])
	if f.text.Reset(); f.text.Cap() > 4*frameText {
		f.text = bytes.Buffer{}
	}
	_, err := f.to.Write(f.frame)
	return err
}

var frameMagic = []byte{0x28, 0xb5, 0x2f, 0xfd}

// plainText returns the text of an export, which may be compressed.
func plainText(from io.Reader) (*bufio.Reader, error) {
	r := bufio.NewReaderSize(from, 64<<10)
	magic, _ := r.Peek(len(frameMagic)) // an error comes again
	if !bytes.Equal(magic, frameMagic) {
		return r, nil
	}
	decoder, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(mostWindow))
	if err != nil {
		return nil, err
	}
	return bufio.NewReaderSize(decoder, 64<<10), nil
}

// wholeFrames returns how many octets the frames take that are there to their end.
func wholeFrames(from io.Reader) (octets int64, err error) {
	r := bufio.NewReaderSize(from, 64<<10)
	for {
		n, err := skipFrame(r)
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return octets, nil
		}
		if err != nil {
			return 0, err
		}
		octets += n
	}
}

// skipFrame skips one frame.
func skipFrame(r *bufio.Reader) (octets int64, err error) {
	var h zstd.Header
	begin, _ := r.Peek(zstd.HeaderMaxSize)
	if len(begin) == 0 {
		return 0, io.EOF
	}
	if err := h.Decode(begin); err != nil {
		return 0, err
	}
	skip := func(n int) error {
		octets += int64(n)
		_, err := r.Discard(n)
		return err
	}
	if err := skip(h.HeaderSize); err != nil {
		return 0, err
	}
	const blockHeader, repeated = 3, 1
	for last := false; !last; {
		b, err := r.Peek(blockHeader)
		if err != nil {
			return 0, err
		}
		head := int(b[0]) | int(b[1])<<8 | int(b[2])<<16
		last = head&1 == 1
		size := head >> 3
		if head>>1&3 == repeated {
			size = 1
		}
		if err := skip(blockHeader + size); err != nil {
			return 0, err
		}
	}
	if h.HasCheckSum {
		err = skip(4)
	}
	return octets, err
}
