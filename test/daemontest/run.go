package daemontest

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"gorewind/internal/exit"
)

// Run runs the program to its end.
func Run(dir string, args ...string) (stdout, stderr string, status int) {
	cmd := exec.Command(Binary(), args...)
	cmd.Dir = dir
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	_ = cmd.Run()
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// Files lists all files below dir with their sizes.
func Files(t *testing.T, dir string) []string {
	t.Helper()
	names, err := ListFiles(dir)
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// ListFiles is Files without a test.
func ListFiles(dir string) (names []string, err error) {
	err = filepath.Walk(dir, func(path string, fi os.FileInfo, err error) error {
		if err == nil {
			names = append(names, fmt.Sprint(path, " ", fi.Size()))
		}
		return err
	})
	return names, err
}

// Succeed runs the program and returns its output. A failure fails the test.
func Succeed(t *testing.T, args ...string) string {
	t.Helper()
	stdout, stderr, status := Run(t.TempDir(), args...)
	if status != exit.OK {
		t.Fatalf("%q: status %d\n%s%s", args, status, stdout, stderr)
	}
	return stdout
}

// RunAndKill runs the program and kills it after a random time, if it is still running.
func RunAndKill(t *testing.T, within time.Duration, args ...string) {
	t.Helper()
	cmd := exec.Command(Binary(), args...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	timer := time.AfterFunc(rand.N(within), func() { cmd.Process.Kill() })
	defer timer.Stop()
	_ = cmd.Wait()
}

// PeakMemory runs a command and returns its peak resident memory in KiB. The figure of wait is no
// use: it includes the memory of the test, which forks the command.
func PeakMemory(t *testing.T, cmd *exec.Cmd) (kib int) {
	t.Helper()
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }() // ends with the command
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	for {
		select {
		case err := <-ended:
			if err != nil {
				t.Fatalf("%q: %v\n%s", cmd.Args, err, &out)
			}
			return kib
		case <-look.C:
			status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", cmd.Process.Pid))
			if _, peak, ok := bytes.Cut(status, []byte("VmHWM:")); ok {
				fmt.Sscan(string(peak), &kib)
			}
		}
	}
}
