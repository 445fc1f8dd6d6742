// Package packaging tests what is installed: the Debian package, the unit, the image, the
// dashboard and the alerts.
package packaging

import (
	"os"
	"testing"

	"gorewind/test/daemontest"
)

func TestMain(m *testing.M) { os.Exit(daemontest.Main(m)) }
