package main

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestQuick lets all peers do all workloads, each briefly.
func TestQuick(t *testing.T) {
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Skip("redis-server is not installed: ", err)
	}
	// Where tests' directories are in memory, the default must do.
	out, dir := t.TempDir(), t.TempDir()
	args := []string{"-quick", "-out", out}
	if made, err := makeDir(dir); err == nil {
		if err := os.Remove(made); err != nil {
			t.Fatal(err)
		}
		args = append(args, "-dir", dir)
	}
	var stdout, stderr bytes.Buffer
	if status := run(args, &stdout, &stderr); status != 0 {
		t.Fatalf("want status 0, have %d: %s", status, &stderr)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*")); len(left) > 0 {
		t.Errorf("left behind: %s", left)
	}
	table, err := os.ReadFile(filepath.Join(out, tableFile))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(table, stdout.Bytes()) {
		t.Errorf("want the table printed as written, have %s", &stdout)
	}
	for _, w := range workloads {
		if !strings.Contains(string(table), "\n"+w.title) {
			t.Errorf("the table has no row %q:\n%s", w.title, table)
		}
	}
	wellFormed(t, filepath.Join(out, chartFile))
}

func wellFormed(t *testing.T, file string) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for d := xml.NewDecoder(f); ; {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatal(file, err)
		}
	}
}

func TestUsage(t *testing.T) {
	for _, args := range [][]string{{"-runs", "0"}, {"-time", "0s"}, {"-replay", "0"}, {"-peers", "redis,redis"}, {"-peers", "other"}, {"surplus"}, {"-unknown"}} {
		if status := run(args, io.Discard, io.Discard); status != 2 {
			t.Errorf("%q: want status 2, have %d", args, status)
		}
	}
}

func TestThousands(t *testing.T) {
	for v, want := range map[float64]string{0: "0", 7: "7", 999: "999", 1234: "1,230", 45678: "45,700", 999_999: "1,000,000", 1_234_567: "1,230,000"} {
		if have := thousands(v); have != want {
			t.Errorf("%v: want %s, have %s", v, want, have)
		}
	}
}

func TestMedian(t *testing.T) {
	for want, v := range map[float64][]float64{0: nil, 3: {3}, 2.5: {4, 1}, 5: {9, 1, 5}} {
		if have := median(v); have != want {
			t.Errorf("%v: want %v, have %v", v, want, have)
		}
	}
}
