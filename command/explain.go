package command

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"gorewind/client"
	"gorewind/internal/exit"
	"gorewind/wire"
)

// hints say what to do about an ERROR of the daemon, by its code, in terms of a command's
// flags.
type hints map[wire.Code]string

// commonHints apply where a command has no hint of its own.
var commonHints = hints{
	wire.Conflict:       "check with gorewind query what was written in between, then try again",
	wire.KeyReused:      "use a new key for each request",
	wire.BadRange:       "swap --after and --upto, or add --nearest",
	wire.UnknownID:      "gorewind query shows which ids exist",
	wire.OtherStore:     "ids and positions of another store mean nothing here: start from the beginning; gorewind info prints which store this is",
	wire.Stopping:       "try again when the daemon is back",
	wire.OutcomeUnknown: "check before you repeat it",
}

// explain rewrites an ERROR of the daemon for users of the command line. The daemon
// addresses authors of clients: it speaks of frames and options.
func explain(err error, own hints) error {
	var refused *wire.Error
	var done *exit.Error
	switch {
	case errors.As(err, &done):
		return err
	case errors.Is(err, client.ErrHandshake):
		return exit.With(exit.Failure, refusedHint(err, "--router"))
	case !errors.As(err, &refused):
		return err
	}
	do := own[refused.Code]
	if do == "" {
		do = commonHints[refused.Code]
	}
	if do == "" {
		do = flagged.Replace(refused.Do)
	}
	status := exit.Failure
	switch refused.Code {
	case wire.Conflict, wire.Behind:
		status = exit.Unmet
	case wire.Timeout:
		status = exit.Timeout
	case wire.OutcomeUnknown:
		status = exit.Unknown
	}
	return exit.With(status, fmt.Errorf("%s; %s", describe(refused), do))
}

// describe says what happened, without what to do about it.
func describe(e *wire.Error) string {
	facts := make(map[string]string)
	for _, p := range e.Params {
		facts[p.Name] = p.Value
	}
	switch e.Code {
	case wire.UnknownID:
		if stream, ok := facts["stream"]; ok {
			return fmt.Sprintf("the stream %s has no event with id %s", decoded(stream), decimal(facts["id"]))
		}
		return fmt.Sprintf("the position %s is after the last one", decimal(facts["id"]))
	case wire.BadRange:
		return "--after is greater than --upto"
	case wire.Conflict:
		if conflict, ok := client.AsConflict(e); ok && conflict.Last > 0 {
			return fmt.Sprintf("conflict: the last event of the stream %q is %d, not the expected one", conflict.Stream, conflict.Last)
		} else if ok {
			return fmt.Sprintf("conflict: the stream %q is empty, which is not what was expected", conflict.Stream)
		}
	case wire.Behind:
		if cursor, ok := client.AsBehind(e); ok {
			return fmt.Sprintf("the cursor is already at %d", cursor)
		}
	case wire.OutcomeUnknown:
		return "outcome unknown: the write may or may not have been applied: " + e.What
	case wire.Damaged:
		if after, ok := facts["after"]; ok {
			return fmt.Sprintf("the next event is damaged in the store; continue after the damage with --after %s", decimal(after))
		}
	}
	return withStream(flagged.Replace(e.What), facts["stream"])
}

// withStream names a stream in a text that only says "that stream", since a fact names it.
func withStream(what, stream string) string {
	if stream == "" {
		return what
	}
	name := decoded(stream)
	if strings.Contains(what, "that stream") {
		return strings.Replace(what, "that stream", "the stream "+name, 1)
	}
	return fmt.Sprintf("%s (stream %s)", what, name)
}

// flagged replaces the names of frames and options with those of arguments and flags.
var flagged = strings.NewReplacer(
	"the frame stream", "STREAM", "valid glob: invalid:", "valid glob:",
	"the frame also", "--also",
	"send a glob as the protocol describes it", "* matches one or more bytes other than the separator, ** matches any, and \\ quotes the next byte",
)

// decoded returns the bytes of a fact, which are in hex, as quoted text.
func decoded(fact string) string {
	b, err := hex.DecodeString(fact)
	if err != nil {
		return fact
	}
	return strconv.Quote(string(b))
}

// decimal returns the id of a fact, which is in hex, in decimal.
func decimal(fact string) string {
	b, _ := hex.DecodeString(fact)
	n, ok := wire.ParseID(b)
	if !ok {
		return fact
	}
	return strconv.FormatUint(n, 10)
}
