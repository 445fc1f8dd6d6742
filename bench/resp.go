package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"strconv"
)

const respBuffer = 1 << 20

// A respConn is a connection to Redis that speaks its protocol by hand: no
// allocation for an event, and as many commands in one system call as there
// are. One goroutine uses it.
type respConn struct {
	conn net.Conn
	r    *bufio.Reader
	w    *bufio.Writer
	num  []byte // a number that is being written

	release func() bool
}

// dialRedis connects. The connection breaks when ctx ends.
func dialRedis(ctx context.Context, addr string) (*respConn, error) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	c := &respConn{conn: conn, r: bufio.NewReaderSize(conn, respBuffer), w: bufio.NewWriterSize(conn, respBuffer)}
	c.release = context.AfterFunc(ctx, func() { conn.Close() })
	return c, nil
}

func (c *respConn) close() {
	c.release()
	c.conn.Close()
}

// send buffers a command that begins with fixed bytes and ends with one more
// argument. Errors stay in the buffer and come out of flush.
func (c *respConn) send(fixed string, last []byte) {
	c.w.WriteString(fixed)
	c.w.WriteByte('$')
	c.num = strconv.AppendInt(c.num[:0], int64(len(last)), 10)
	c.w.Write(c.num)
	c.w.WriteString("\r\n")
	c.w.Write(last)
	c.w.WriteString("\r\n")
}

// encode returns a command of which extra arguments are to follow.
func encode(extra int, args ...string) string {
	s := fmt.Sprintf("*%d\r\n", len(args)+extra)
	for _, a := range args {
		s += fmt.Sprintf("$%d\r\n%s\r\n", len(a), a)
	}
	return s
}

// header reads the first line of a reply: its type and its number.
func (c *respConn) header(want byte) (int, error) {
	line, err := c.r.ReadSlice('\n')
	if err != nil {
		return 0, err
	}
	if len(line) < 3 || line[0] != want {
		return 0, fmt.Errorf("redis answered %q", line)
	}
	n := 0
	for _, d := range line[1 : len(line)-2] {
		if d < '0' || d > '9' {
			return 0, fmt.Errorf("redis answered %q", line)
		}
		n = n*10 + int(d-'0')
	}
	return n, nil
}

// skip reads a string and drops it. It returns its length.
func (c *respConn) skip() (int, error) {
	n, err := c.header('$')
	if err != nil {
		return 0, err
	}
	_, err = c.r.Discard(n + len("\r\n"))
	return n, err
}

// bytes reads a string into buf.
func (c *respConn) bytes(buf []byte) ([]byte, error) {
	n, err := c.header('$')
	if err != nil {
		return nil, err
	}
	buf = append(buf[:0], make([]byte, n)...)
	if _, err := io.ReadFull(c.r, buf); err != nil {
		return nil, err
	}
	_, err = c.r.Discard(len("\r\n"))
	return buf, err
}

// publish adds n events to a stream with so many in flight. Whenever answers
// came it sends as many new events: one goroutine, so that an answer and the
// event that it allows are not a hand-over apart.
func (c *respConn) publish(stream string, events func(i int) []byte, n, inFlight int) error {
	xadd := encode(1, "XADD", stream, "*", "e")
	sent, answered := 0, 0
	for answered < n {
		for ; sent < n && sent-answered < inFlight; sent++ {
			c.send(xadd, events(sent))
		}
		if err := c.w.Flush(); err != nil {
			return err
		}
		for first := true; answered < sent && (first || c.r.Buffered() > 0); first = false {
			if _, err := c.skip(); err != nil {
				return fmt.Errorf("XADD: %w", err)
			}
			answered++
		}
	}
	return nil
}

// replay reads a stream in pages and returns how many events and bytes there
// were.
func (c *respConn) replay(stream string, page int) (events, bytes int, err error) {
	from := []byte("-")
	count := strconv.Itoa(page)
	for {
		// XRANGE stream from + COUNT page, written whole: from is in the middle.
		c.w.WriteString(encode(0, "XRANGE", stream, string(from), "+", "COUNT", count))
		if err := c.w.Flush(); err != nil {
			return events, bytes, err
		}
		n, size, last, err := c.page(from)
		if err != nil {
			return events, bytes, fmt.Errorf("XRANGE: %w", err)
		}
		events, bytes = events+n, bytes+size
		if n < page {
			return events, bytes, nil
		}
		from = append([]byte("("), last...)
	}
}

// page reads the answer to one XRANGE: for each event its id, and a list of
// one field and its value.
func (c *respConn) page(id []byte) (events, bytes int, last []byte, err error) {
	if events, err = c.header('*'); err != nil {
		return 0, 0, nil, err
	}
	for range events {
		if _, err = c.header('*'); err != nil {
			return 0, 0, nil, err
		}
		if id, err = c.bytes(id); err != nil {
			return 0, 0, nil, err
		}
		if _, err = c.header('*'); err != nil {
			return 0, 0, nil, err
		}
		if _, err = c.skip(); err != nil {
			return 0, 0, nil, err
		}
		n, err := c.skip()
		if err != nil {
			return 0, 0, nil, err
		}
		bytes += n
	}
	return events, bytes, id, nil
}

// length returns how many events a stream has.
func (c *respConn) length(stream string) (int, error) {
	c.w.WriteString(encode(0, "XLEN", stream))
	if err := c.w.Flush(); err != nil {
		return 0, err
	}
	return c.header(':')
}
