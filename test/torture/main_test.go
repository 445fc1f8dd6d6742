// Package torture has the harnesses: the daemon is killed, stopped, attacked and filled, under
// clients whose answers are checked. TORTURE says for how long; see the Makefile.
package torture

import (
	"os"
	"testing"

	"gorewind/test/daemontest"
)

func TestMain(m *testing.M) { os.Exit(daemontest.Main(m)) }
