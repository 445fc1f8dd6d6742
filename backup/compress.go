package backup

import (
	"bufio"
	"bytes"
	"errors"
	"io"

	"github.com/klauspost/compress/zstd"
)

// frameText is how much text a frame holds before it ends with a commit.
const frameText = 1 << 20

// mostText is how much of a frame's text is held in memory until the commit ends.
const mostText = 4 * frameText

// The window size of frames, which bounds the memory needed to read them: of frames
// written here, and of frames read, which others may have compressed.
const (
	frameWindow = 1 << 20
	mostWindow  = 8 << 20
)

// plainSink writes text as it is.
type plainSink struct{ *bufio.Writer }

func newPlainSink(w io.Writer) plainSink { return plainSink{bufio.NewWriterSize(w, 64<<10)} }

func (plainSink) endCommit() error { return nil }
func (p plainSink) flush() error   { return p.Flush() }

// A frameSink compresses text. Frames end with a commit. A large commit is
// compressed as it comes.
type frameSink struct {
	to      io.Writer
	encoder *zstd.Encoder
	text    bytes.Buffer // of the frame, not compressed yet
	frame   []byte
	begun   bool // the encoder has received the beginning of the frame
}

func newFrameSink(to io.Writer) (*frameSink, error) {
	encoder, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(frameWindow))
	return &frameSink{to: to, encoder: encoder}, err
}

// Write implements io.Writer.
func (f *frameSink) Write(b []byte) (int, error) {
	if f.text.Len() < mostText {
		return f.text.Write(b)
	}
	if err := f.compress(); err != nil {
		return 0, err
	}
	return f.text.Write(b)
}

// compress passes the text of an unfinished frame to the encoder.
func (f *frameSink) compress() error {
	if !f.begun {
		f.encoder.Reset(f.to)
		f.begun = true
	}
	_, err := f.encoder.Write(f.text.Bytes())
	f.text.Reset()
	return err
}

func (f *frameSink) endCommit() error {
	if f.text.Len() < frameText && !f.begun {
		return nil
	}
	return f.flush()
}

func (f *frameSink) flush() error {
	if f.begun {
		err := f.compress()
		f.begun = false
		return errors.Join(err, f.encoder.Close())
	}
	if f.text.Len() == 0 {
		return nil
	}
	f.frame = f.encoder.EncodeAll(f.text.Bytes(), f.frame[:0])
	f.text.Reset()
	_, err := f.to.Write(f.frame)
	return err
}

var frameMagic = []byte{0x28, 0xb5, 0x2f, 0xfd}

// plainText returns the text of an export, decompressed if need be.
func plainText(from io.Reader) (*bufio.Reader, error) {
	r := bufio.NewReaderSize(from, 64<<10)
	magic, _ := r.Peek(len(frameMagic)) // the next read returns the error again
	if !bytes.Equal(magic, frameMagic) {
		return r, nil
	}
	decoder, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(mostWindow))
	if err != nil {
		return nil, err
	}
	return bufio.NewReaderSize(decoder, 64<<10), nil
}

// wholeFrames returns the size of all complete frames, in bytes.
func wholeFrames(from io.Reader) (size int64, err error) {
	r := bufio.NewReaderSize(from, 64<<10)
	for {
		n, err := skipFrame(r)
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return size, nil
		}
		if err != nil {
			return 0, err
		}
		size += n
	}
}

// skipFrame skips one frame.
func skipFrame(r *bufio.Reader) (size int64, err error) {
	var h zstd.Header
	begin, _ := r.Peek(zstd.HeaderMaxSize)
	if len(begin) == 0 {
		return 0, io.EOF
	}
	if err := h.Decode(begin); err != nil {
		return 0, err
	}
	skip := func(n int) error {
		size += int64(n)
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
	return size, err
}
