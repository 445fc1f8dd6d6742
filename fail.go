package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"gorewind/internal/term"
	"gorewind/store/leveldb"
)

// A usageError says that gorewind was not asked properly, and how it is.
type usageError string

func (e usageError) Error() string { return string(e) }

// A statusError is an error with an exit status of its own.
type statusError struct {
	error
	status int
}

func (e *statusError) Unwrap() error { return e.error }

// misused says of an error that gorewind was not asked properly.
func misused(err error) error { return &statusError{err, exitUsage} }

// statusOf returns the exit status of an error.
func statusOf(err error) int {
	var s *statusError
	var usage usageError
	switch {
	case errors.As(err, &s):
		return s.status
	case errors.As(err, &usage):
		return exitUsage
	}
	return exitFailure
}

// fail says in one line what went wrong and what to do. Of a damaged store it says
// in between what would be lost, each piece in a line.
func fail(stderr io.Writer, status int, err error) int {
	lines := []string{err.Error()}
	var damaged *leveldb.Irreparable
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
