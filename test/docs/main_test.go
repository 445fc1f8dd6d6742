// Package docs runs what the documents show: the commands and programs of README.rst, the
// examples, and clients that are not ours.
package docs

import (
	"os"
	"testing"

	"gorewind/test/daemontest"
)

func TestMain(m *testing.M) { os.Exit(daemontest.Main(m)) }
