// Package exit holds gorewind's exit statuses, errors that carry one, and the printing of a
// failure. command/explain.go decides which status an ERROR of the daemon has. The package
// builds on term and, for the pieces of a damaged store, on the engine.
package exit

import (
	"errors"
	"os"
	"syscall"
)

// Exit statuses.
const (
	OK      = 0
	Failure = 1 // failed
	Usage   = 2 // usage error
	Unmet   = 3 // CONFLICT or BEHIND: the store is not in the expected state; nothing was changed
	Timeout = 4 // wait: the consumer was not there in time
	Unknown = 5 // outcome unknown
	Damaged = 6 // serve: the store is damaged; starting again does not help

	Interrupted = 128 + int(syscall.SIGINT) // Ctrl-C, as in shells
)

// OfSignal returns the exit status of a command that a signal stopped: 128 plus the number of
// the signal, as in shells.
func OfSignal(s os.Signal) int {
	if number, ok := s.(syscall.Signal); ok {
		return 128 + int(number)
	}
	return Failure
}

// ErrSilent is an error that Fail does not print. Wrap it for its exit status.
var ErrSilent = errors.New("silent")

// About explains the statuses to users.
const About = `0: success. 1: failure; standard error says why and what to do, and a write changed nothing unless it says otherwise. 2: usage error in the command line, the environment or the configuration file. 3: conflict; the store is not in the expected state (CONFLICT, BEHIND), and nothing was changed. 4: timeout; the consumer was not there in time. 5: outcome unknown; the write may or may not have been applied. 6: the store is damaged; serve cannot run until it is repaired. 130: stopped by Ctrl-C. 143: stopped by SIGTERM. serve exits with 0 on either, follow and subscribe on SIGTERM.`

// UsageError says that the command line is wrong, and how to correct it.
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

// StatusOf returns the exit status of err, Failure if it carries none.
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
