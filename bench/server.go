package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const startTimeout = 30 * time.Second

// A server is a running process of a peer. Whoever started it stops it.
type server struct {
	addr    string // requests
	pub     string // broadcasts, Gorewind's only
	streams int    // how many were made so far, for names that are new

	logFile string
	kill    context.CancelFunc
	ended   chan struct{} // closed when the process has ended
}

// startServer starts a program that will listen on addr and waits until it
// does. What it prints is kept in dir.
func startServer(ctx context.Context, dir, addr, program string, args ...string) (*server, error) {
	logFile := filepath.Join(dir, "log")
	out, err := os.Create(logFile)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	ctx, kill := context.WithCancel(ctx)
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir, cmd.Env = dir, environment()
	cmd.Stdout, cmd.Stderr = out, out
	// A Ctrl-C in the terminal is for this program, which then ends the server.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		kill()
		return nil, fmt.Errorf("start %s: %w", program, err)
	}
	s := &server{addr: addr, logFile: logFile, kill: kill, ended: make(chan struct{})}
	go func() { // ended by stop
		_ = cmd.Wait() // that it was killed is no news
		close(s.ended)
	}()
	if err := s.await(ctx); err != nil {
		s.stop()
		return nil, fmt.Errorf("start %s: %w", filepath.Base(program), err)
	}
	return s, nil
}

// stop ends the server. Its data is about to be removed, so it is killed.
func (s *server) stop() {
	s.kill()
	<-s.ended
}

// await returns when the server accepts connections.
func (s *server) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	var dialer net.Dialer
	for {
		conn, err := dialer.DialContext(ctx, "tcp", s.addr)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-s.ended:
			return fmt.Errorf("it ended at once and said: %s", s.lastWords())
		case <-ctx.Done():
			return errors.Join(context.Cause(ctx), fmt.Errorf("it does not listen on %s and said: %s", s.addr, s.lastWords()))
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// lastWords returns the end of what the server printed, for an error's text.
func (s *server) lastWords() string {
	text, err := os.ReadFile(s.logFile)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(string(bytes.TrimSpace(text)), "\n")
	return strings.Join(lines[max(0, len(lines)-5):], "; ")
}

// stream returns a name that this server has not seen.
func (s *server) stream() string {
	s.streams++
	return fmt.Sprintf("bench-%d", s.streams)
}

// freeAddr returns an address on this machine on which nobody listens.
func freeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	return l.Addr().String(), l.Close()
}
