package daemontest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"

	// A separate process builds the program. This import tells go test what the program
	// depends on, so that it does not cache a test's result after a change.
	_ "gorewind/command"
	"gorewind/internal/race"
)

// BinaryVariable is the environment variable that names a program to test instead of building
// one.
const BinaryVariable = "DAEMONTEST_BINARY"

// Binary returns the path of the program under test. It is built once, with the race detector if
// the test has it.
var Binary = sync.OnceValue(func() string {
	if path := os.Getenv(BinaryVariable); path != "" {
		return path
	}
	return build(filepath.Join(testDir, "gorewind"), race.Enabled)
})

// PlainBinary returns the path of the program without the race detector, for tests that measure
// its memory or time. A test with the detector builds it, whatever BinaryVariable says.
var PlainBinary = sync.OnceValue(func() string {
	if !race.Enabled {
		return Binary()
	}
	return build(filepath.Join(testDir, "plain", "gorewind"), false)
})

func build(path string, raced bool) string {
	if out, err := exec.Command("go", "build", fmt.Sprint("-race=", raced), "-o", path, "gorewind").CombinedOutput(); err != nil {
		panic(fmt.Sprintf("%v\n%s", err, out))
	}
	return path
}
