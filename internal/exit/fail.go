package exit

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"gorewind/internal/term"
	"gorewind/store/leveldb"
)

// Fail prints in one line what went wrong and what to do, and returns status. For a damaged
// store it lists in between what would be lost, one line for each piece. It does not print an
// ErrSilent.
func Fail(stderr io.Writer, status int, err error) int {
	if errors.Is(err, ErrSilent) {
		return status
	}
	lines := []string{err.Error()}
	var damaged *leveldb.DamagedError
	if errors.As(err, &damaged) && len(damaged.Pieces()) > 0 {
		before, after, _ := strings.Cut(err.Error(), damaged.Error())
		lines = []string{before + damaged.Cause.Error()}
		for _, piece := range damaged.Pieces() {
			lines = append(lines, "lost: "+piece)
		}
		lines = append(lines, strings.TrimPrefix(after, "; "))
	}
	for i, line := range lines {
		lines[i] = term.Harmless(strings.ReplaceAll(line, "\n", "; "))
	}
	fmt.Fprintln(stderr, "gorewind:", strings.Join(lines, "\n  "))
	return status
}
