package load

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

// A Hosted is a daemon that runs for one benchmark.
type Hosted struct {
	cmd         *exec.Cmd
	dir         string
	Router, Pub string
	ended       chan struct{} // closed when its log has ended
}

// HostOptions are the options of Host.
type HostOptions struct {
	Dir     string // parent of a new directory for the data; empty: the system's for temporary files
	Size    int    // bytes of the largest event
	Profile string // directory for profiles; empty: none
}

// Host starts this program as a daemon on a new directory. It copies warnings of the daemon's log
// to stderr. If the daemon ends before Stop, it calls cancel.
func Host(o HostOptions, stderr io.Writer, cancel context.CancelCauseFunc) (h *Hosted, err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("cannot start a daemon: %w; start one and give --connect", err)
	}
	dir, err := os.MkdirTemp(o.Dir, "gorewind-bench-")
	if err != nil {
		return nil, fmt.Errorf("cannot start a daemon: %w; choose another directory with --dir", err)
	}
	h = &Hosted{dir: dir, ended: make(chan struct{})}
	h.cmd = exec.Command(self, "serve", "--router", "tcp://127.0.0.1:*", "--pub", "tcp://127.0.0.1:*", "--log-format", "json", "--log-level", "info",
		"--data-dir", filepath.Join(dir, "data"), "--max-event-bytes", strconv.Itoa(max(1<<20, o.Size)))
	if o.Profile != "" {
		h.cmd.Args = append(h.cmd.Args, "--profile", o.Profile)
	}
	// The daemon gets no flags from the environment, and no Ctrl-C: the benchmark
	// handles Ctrl-C and stops the daemon.
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
		return nil, errors.Join(errors.New("the daemon ended before it was ready; see its log"), h.Stop())
	}
	return h, nil
}

// follow reads the daemon's log to its end, and copies warnings.
func (h *Hosted) follow(log io.Reader, stderr io.Writer, serving chan<- bool, cancel context.CancelCauseFunc) {
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
			h.Router, h.Pub = l.Router, l.Pub
			serving <- true
		}
	}
	select {
	case serving <- false:
	default:
	}
	cancel(errors.New("the daemon ended during the benchmark; see its log"))
}

// Stop stops the daemon and removes its directory.
func (h *Hosted) Stop() error {
	_ = h.cmd.Process.Signal(syscall.SIGTERM) // it may have ended already
	<-h.ended
	err := h.cmd.Wait()
	if err != nil {
		err = fmt.Errorf("the daemon: %w", err)
	}
	return errors.Join(err, os.RemoveAll(h.dir))
}
