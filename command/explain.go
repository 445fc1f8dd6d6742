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
	wire.Conflict:       "see what came in between with gorewind query, then decide anew",
	wire.KeyReused:      "give each request a key of its own",
	wire.BadRange:       "swap --after and --upto, or add --nearest",
	wire.UnknownID:      "gorewind query shows which there are",
	wire.OtherStore:     "ids and positions of before mean nothing here: begin anew; gorewind info says which store it is",
	wire.Stopping:       "run it again when the daemon is back",
	wire.OutcomeUnknown: "look whether it did before you repeat it",
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
			return fmt.Sprintf("the stream %s has no id %s", decoded(stream), decimal(facts["id"]))
		}
		return fmt.Sprintf("the position %s is beyond the last", decimal(facts["id"]))
	case wire.BadRange:
		return "--after is beyond --upto"
	case wire.Conflict:
		if conflict, ok := client.AsConflict(e); ok && conflict.Last > 0 {
			return fmt.Sprintf("the last event of the stream %q is %d, which is not what was expected", conflict.Stream, conflict.Last)
		} else if ok {
			return fmt.Sprintf("the stream %q holds no event, which is not what was expected", conflict.Stream)
		}
	case wire.Behind:
		if cursor, ok := client.AsBehind(e); ok {
			return fmt.Sprintf("the cursor is at %d already", cursor)
		}
	case wire.OutcomeUnknown:
		return "nobody knows whether it took effect: " + e.What
	case wire.Damaged:
		if after, ok := facts["after"]; ok {
			return fmt.Sprintf("what comes next is damaged in the store; what comes behind it can be had with --after %s", decimal(after))
		}
	}
	return flagged.Replace(e.What)
}

// flagged replaces the names of frames and options with those of arguments and flags.
var flagged = strings.NewReplacer(
	"the frame stream", "STREAM", "valid glob: invalid:", "valid glob:",
	"the frame also", "--also",
	"send a glob as the protocol describes it", "* stands for octets without the separator, ** for any, and \\ takes what follows as it is",
)

// decoded returns the bytes of a fact, which are in hex, as quoted text.
func decoded(fact string) string {
	octets, err := hex.DecodeString(fact)
	if err != nil {
		return fact
	}
	return strconv.Quote(string(octets))
}

// decimal returns the id of a fact, which is in hex, in decimal.
func decimal(fact string) string {
	octets, _ := hex.DecodeString(fact)
	n, ok := wire.ParseID(octets)
	if !ok {
		return fact
	}
	return strconv.FormatUint(n, 10)
}
