package cli

import (
	"os"
	"testing"

	"gorewind/test/daemontest"
)

func TestMain(m *testing.M) { os.Exit(daemontest.Main(m)) }
