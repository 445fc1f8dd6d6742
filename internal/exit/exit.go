// Package exit is how gorewind ends: the statuses, errors that carry one, and how a failure
// is told. Which status a refusal of the daemon has is decided in command/explain.go. It
// stands on term and, for the pieces of a damaged store, on the engine.
package exit

import (
	"errors"
	"os"
	"syscall"
)

// Exit statuses.
const (
	OK      = 0
	Failure = 1 // it could not do what it was asked to
	Usage   = 2 // it was not asked properly
	Unmet   = 3 // CONFLICT or BEHIND: the store is not as was expected; nothing was changed
	Timeout = 4 // what was waited for has not happened in time
	Unknown = 5 // nobody knows whether it took effect
	Damaged = 6 // serve: the store is damaged, and will be when it is started again

	Interrupted = 128 + int(syscall.SIGINT) // Ctrl-C, as shells have it
)

// OfSignal returns the exit status of a command that a signal has stopped, as shells have it:
// 128 and the number of the signal.
func OfSignal(s os.Signal) int {
	if number, ok := s.(syscall.Signal); ok {
		return 128 + int(number)
	}
	return Failure
}

// ErrSilent has an exit status and nothing to tell, which Fail does not tell.
var ErrSilent = errors.New("silent")

// About tells users what each status says.
const About = `0: it did what it was asked to. 1: it could not; the last thing on the standard error output says why, and what to do. 2: it was not asked properly: the command line, the environment or the file is wrong. 3: the store is not as was expected (CONFLICT, BEHIND), and nothing was changed. 4: what was waited for has not happened in time. 5: nobody knows whether it took effect. 6: the store is damaged and cannot be served, nor when it is started again. 130: Ctrl-C; 143: SIGTERM, which ends serve, follow and subscribe with 0.`

// A UsageError says that gorewind was not asked properly, and how it is.
type UsageError string

func (e UsageError) Error() string { return string(e) }

// An Error is an error with an exit status of its own.
type Error struct {
	error
	status int
}

func (e *Error) Unwrap() error { return e.error }

// AsUsage gives err the exit status of a usage error.
func AsUsage(err error) error { return With(Usage, err) }

// With gives an error an exit status of its own.
func With(status int, err error) error { return &Error{err, status} }

// StatusOf returns the exit status of an error.
func StatusOf(err error) int {
	var s *Error
	var usage UsageError
	switch {
	case errors.As(err, &s):
		return s.status
	case errors.As(err, &usage):
		return Usage
	}
	return Failure
}
