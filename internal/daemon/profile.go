package daemon

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/pprof"
)

// profile profiles this process until stop is called, which writes cpu.pprof and allocs.pprof
// to dir. It creates dir if necessary.
func profile(dir string) (stop func() error, err error) {
	failed := func(err error) (func() error, error) {
		return nil, fmt.Errorf("--profile: %w; choose another directory", err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return failed(err)
	}
	cpu, err := os.Create(filepath.Join(dir, "cpu.pprof"))
	if err != nil {
		return failed(err)
	}
	allocs, err := os.Create(filepath.Join(dir, "allocs.pprof"))
	if err != nil {
		cpu.Close()
		return failed(err)
	}
	if err := pprof.StartCPUProfile(cpu); err != nil {
		cpu.Close()
		allocs.Close()
		return failed(err)
	}
	return func() error {
		pprof.StopCPUProfile()
		return errors.Join(cpu.Close(), pprof.Lookup("allocs").WriteTo(allocs, 0), allocs.Close())
	}, nil
}
