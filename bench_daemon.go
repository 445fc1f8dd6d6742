package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// hosted is a gorewind serve that runs for one benchmark.
type hosted struct {
	cmd         *exec.Cmd
	dir         string
	router, pub string
	ended       chan struct{} // closed when its log has ended
}

// host starts this program as a daemon on a new directory. If it ends before it
// is told to, it cancels.
func (c *benchCmd) host(stderr io.Writer, cancel context.CancelCauseFunc) (h *hosted, err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("cannot start a daemon: %w; start one and give --connect", err)
	}
	dir, err := os.MkdirTemp(c.Dir, "gorewind-bench-")
	if err != nil {
		return nil, fmt.Errorf("cannot start a daemon: %w; choose another directory with --dir", err)
	}
	h = &hosted{dir: dir, ended: make(chan struct{})}
	h.cmd = exec.Command(self, "serve", "--router", "tcp://127.0.0.1:*", "--pub", "tcp://127.0.0.1:*", "--log-format", "json", "--log-level", "info",
		"--data-dir", filepath.Join(dir, "data"), "--max-event-bytes", strconv.Itoa(max(1<<20, c.Size)))
	if c.Profile != "" {
		h.cmd.Args = append(h.cmd.Args, "--profile", c.Profile)
	}
	// No flag from the environment, and no Ctrl-C: that is for the benchmark,
	// which then stops the daemon.
	h.cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "GOREWIND_") })
	h.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	log, err := h.cmd.StderrPipe()
	if err == nil {
		err = h.cmd.Start()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("cannot start a daemon: %w; start one and give --connect", err), os.RemoveAll(dir))
	}
	serving := make(chan bool, 1)
	go h.follow(log, stderr, serving, cancel) // ends when the daemon does; stop waits for it
	if !<-serving {
		return nil, errors.Join(errors.New("the daemon ended before it served; its log says why"), h.stop())
	}
	return h, nil
}

// follow reads the daemon's log to its end, and passes on what is not routine.
func (h *hosted) follow(log io.Reader, stderr io.Writer, serving chan<- bool, cancel context.CancelCauseFunc) {
	defer close(h.ended)
	lines := bufio.NewScanner(log)
	for lines.Scan() {
		var l struct {
			Level            slog.Level
			Msg, Router, Pub string
		}
		err := json.Unmarshal(lines.Bytes(), &l)
		switch {
		case err != nil || l.Level > slog.LevelInfo:
			fmt.Fprintf(stderr, "gorewind serve: %s\n", lines.Text())
		case l.Msg == "serving":
			h.router, h.pub = l.Router, l.Pub
			serving <- true
		}
	}
	select {
	case serving <- false:
	default:
	}
	cancel(errors.New("the daemon ended in the middle; its log says why"))
}

// stop ends the daemon and removes its directory.
func (h *hosted) stop() error {
	_ = h.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	<-h.ended
	err := h.cmd.Wait()
	if err != nil {
		err = fmt.Errorf("the daemon: %w", err)
	}
	return errors.Join(err, os.RemoveAll(h.dir))
}
