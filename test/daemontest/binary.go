package daemontest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
)

// BinaryVariable is the environment variable that names a program to be tested in the
// place of one that is built.
const BinaryVariable = "DAEMONTEST_BINARY"

// Binary returns the path of the program under test. It is built once, with the race
// detector where the test has it.
var Binary = sync.OnceValue(func() string {
	if path := os.Getenv(BinaryVariable); path != "" {
		return path
	}
	return build(filepath.Join(testDir, "gorewind"), raceFlags...)
})

// PlainBinary returns the path of the program without the race detector, for what
// measures its memory.
var PlainBinary = sync.OnceValue(func() string {
	if len(raceFlags) == 0 {
		return Binary()
	}
	return build(filepath.Join(testDir, "plain", "gorewind"))
})

func build(path string, flags ...string) string {
	args := append([]string{"build", "-o", path}, flags...)
	if out, err := exec.Command("go", append(args, "gorewind")...).CombinedOutput(); err != nil {
		panic(fmt.Sprintf("%v\n%s", err, out))
	}
	return path
}
