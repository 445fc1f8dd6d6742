package daemontest

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
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

// Files lists everything below dir.
func Files(t *testing.T, dir string) (names []string) {
	t.Helper()
	err := filepath.Walk(dir, func(path string, fi os.FileInfo, err error) error {
		names = append(names, fmt.Sprint(path, fi.Size()))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}
