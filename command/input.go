package command

import (
	"context"
	"fmt"
	"io"
	"os"

	"gorewind/client"
	"gorewind/internal/exit"
	"gorewind/internal/term"
	"gorewind/store"
)

// An input is the data of one event, as a command takes it.
type input struct {
	Data *string `arg:"" optional:"" help:"The event's data; - or nothing for all of the standard input."`
}

// read returns the data. Nobody is left waiting before a terminal who forgot it,
// and a program's empty output is not taken for an event unless that is asked for.
func (i *input) read() ([]byte, error) {
	asked := i.Data != nil && *i.Data == "-"
	switch {
	case i.Data != nil && !asked:
		return []byte(*i.Data), nil
	case !asked && term.IsTerminal(os.Stdin):
		return nil, exit.UsageError("there is nothing to store; give DATA, or pipe it in, or give - to type it")
	}
	data, err := io.ReadAll(io.LimitReader(os.Stdin, store.MaxEvent+1))
	if err != nil {
		return nil, fmt.Errorf("standard input: %w", err)
	}
	if len(data) > store.MaxEvent {
		return nil, fmt.Errorf("the standard input has more than %s octets, which no event may have; --lines makes an event of each line", term.Count(store.MaxEvent))
	}
	if len(data) == 0 && !asked {
		return nil, exit.UsageError("the standard input is empty; give - or '' as DATA to store an event without data")
	}
	return data, nil
}

// fits refuses an event that the daemon does not take. One that is much too large
// would cost the connection, and nobody would say why.
func fits(ctx context.Context, cl *client.Client, data []byte) error {
	info, err := cl.Info(ctx)
	switch {
	case err != nil && ctx.Err() != nil:
		return interrupted(ctx, nil) // before anything was to be stored
	case err != nil:
		return err
	case uint64(len(data)) > info.MaxEvent:
		return fmt.Errorf("the event has %s and the daemon takes at most %s; send a smaller one, or start it with a larger --max-event-bytes",
			term.Counted(len(data), "octet"), term.Count(info.MaxEvent))
	}
	return nil
}
