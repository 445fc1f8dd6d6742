// Package newfile writes files that must not be there yet.
package newfile

import (
	"errors"
	"io/fs"
	"os"
)

// Write writes a new file and syncs it. The error is fs.ErrExist if there is one already, which
// stays as it is. No part of a file is left behind.
func Write(path string, text []byte, mode fs.FileMode) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return nil
}
