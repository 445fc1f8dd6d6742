package ldb

import (
	"bufio"
	"errors"
)

// A tableWriter buffers what LevelDB writes to a table block by block.
type tableWriter struct {
	*bufio.Writer
	file guardedWriter
}

const tableBuffer = 256 << 10

func newTableWriter(file guardedWriter) *tableWriter {
	return &tableWriter{bufio.NewWriterSize(file, tableBuffer), file}
}

func (w *tableWriter) Sync() error {
	if err := w.Flush(); err != nil {
		return err
	}
	return w.file.Sync()
}

func (w *tableWriter) Close() error { return errors.Join(w.Flush(), w.file.Close()) }
