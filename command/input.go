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

// input is the argument with the data of one event.
type input struct {
	Data *string `arg:"" optional:"" help:"Data of the event; without it, or with -, all of standard input."`
}

// read returns the data. At a terminal it reads standard input only if - asks for it, so that
// a user who forgot DATA does not wait. Without - it refuses empty input, which may come from
// a program that failed.
func (i *input) read() ([]byte, error) {
	asked := i.Data != nil && *i.Data == "-"
	switch {
	case i.Data != nil && !asked:
		return []byte(*i.Data), nil
	case !asked && term.IsTerminal(os.Stdin):
		return nil, exit.UsageError("no data; give DATA, pipe it in, or give - to type it")
	}
	data, err := io.ReadAll(io.LimitReader(os.Stdin, store.MaxEvent+1))
	if err != nil {
		return nil, fmt.Errorf("standard input: %w", err)
	}
	if len(data) > store.MaxEvent {
		return nil, fmt.Errorf("standard input is longer than %s bytes, the limit for an event; --lines makes each line an event", term.Count(store.MaxEvent))
	}
	if len(data) == 0 && !asked {
		return nil, exit.UsageError("standard input is empty; give - or '' as DATA to store an event without data")
	}
	return data, nil
}

// fits refuses data that exceeds the daemon's limit. The daemon would close the connection
// over a much larger event, without saying why.
func fits(ctx context.Context, cl *client.Client, data []byte) error {
	info, err := cl.Info(ctx)
	switch {
	case err != nil && ctx.Err() != nil:
		return interrupted(ctx, nil) // nothing was sent yet
	case err != nil:
		return err
	case uint64(len(data)) > info.MaxEvent:
		return fmt.Errorf("the event has %s, but the daemon's limit is %s; send a smaller one, or start the daemon with a larger --max-event-bytes",
			term.Counted(len(data), "byte"), term.Count(info.MaxEvent))
	}
	return nil
}
