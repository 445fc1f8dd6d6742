package daemontest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"

	// The program is built in a process of its own. By this go test knows what that is made
	// of, and keeps no result of a test after it has changed.
	_ "gorewind/command"
	"gorewind/internal/race"
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
	return build(filepath.Join(testDir, "gorewind"), race.Enabled)
})

// PlainBinary returns the path of the program without the race detector, for what
// measures its memory or time. With the detector it is built whatever BinaryVariable says.
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
