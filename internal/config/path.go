package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/alecthomas/kong"

	"gorewind/server"
)

// isPath reports whether a value of a flag is the path of a file or a directory. A public key
// may stand in the place of its file.
func isPath(flag *kong.Flag, value string) bool {
	if value == "" || flag.Name == "server-key" && server.IsKey(value) {
		return false
	}
	return flag.PlaceHolder == "FILE" || flag.PlaceHolder == "DIR"
}

// expand returns a path of the file as every process takes it. The file goes by its own
// directory, wherever gorewind is started, and ~ is the home directory of its user, which no
// shell puts there.
func (f *file) expand(path string) (string, error) {
	rest, home := strings.CutPrefix(path, "~")
	switch {
	case filepath.IsAbs(path):
		return path, nil
	case !home:
		return filepath.Join(filepath.Dir(f.path), path), nil
	case rest != "" && rest[0] != '/':
		return "", fmt.Errorf("it has %q, and ~ stands only for your own home directory; write the path in full", path)
	}
	dir, err := os.UserHomeDir()
	if err != nil {
		return "", errors.New("it has ~, and there is no HOME in the environment; write the path in full")
	}
	return filepath.Join(dir, rest), nil
}
