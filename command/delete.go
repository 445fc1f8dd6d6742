package command

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/alecthomas/kong"

	"gorewind/client"
	"gorewind/internal/exit"
	"gorewind/internal/term"
	"gorewind/wire"
)

type deleteCmd struct {
	connection
	Stream string       `arg:"" help:"The stream."`
	UpTo   *id          `env:"-" name:"upto" placeholder:"ID" help:"The last event that goes. Default: all go."`
	Expect *expectation `env:"-" placeholder:"ID|empty" help:"Only if this is the id of the stream's last event, or if it holds none. Default: none."`
	Yes    bool         `env:"-" short:"y" help:"Do not ask. Default: false."`
}

// Help implements kong's.
func (*deleteCmd) Help() string {
	return `It removes the first events of a stream, or all of them, for ever. It says which and asks before it does; where nobody can be asked it needs --yes. It prints which have gone, as far as whoever asks may read them. The stream's ids go on after the last that was given. Subscribers and followers do not hear of it.

Examples:

    gorewind delete account/17
    gorewind delete log --upto 2 --yes
`
}

// Validate implements kong's: what it refuses was not asked properly.
func (c *deleteCmd) Validate() error { return checkStream(c.Stream) }

// Run deletes events.
func (c *deleteCmd) Run(kctx *kong.Context, stderr io.Writer) error {
	d := client.Delete{Stream: c.Stream, UpTo: c.UpTo.bound(), Expected: c.Expect.bound()}
	if !c.Yes {
		told, agreed, err := c.ask(kctx.Stdout, stderr)
		if err != nil || !agreed {
			return err
		}
		if !d.Expected.Given && !d.UpTo.Given {
			d.Expected = client.Some(told.last) // nothing goes that was not told
		}
	}
	own := hints{
		wire.OutcomeUnknown: "run it again",
		wire.UnknownID:      "give --upto an id that it has given, deleted or not",
		wire.Conflict:       "nothing was deleted; look again, then decide anew",
	}
	return c.withClient(own, func(ctx context.Context, cl *client.Client) error {
		there, err := c.look(ctx, cl)
		seen := err == nil
		if err != nil && !errors.As(err, new(*wire.Error)) {
			return err // otherwise it may be what is to go that cannot be read, or not by this key
		}
		if !d.Expected.Given && !d.UpTo.Given && there.events > 0 {
			d.UpTo = client.Some(there.last) // as many go as are told
		}
		if err := cl.Delete(ctx, d); err != nil {
			return err
		}
		text := "deleted"
		switch {
		case seen && there.events == 0:
			text = there.nothing()
		case seen:
			text = "deleted " + span(there.first, there.upto)
		}
		_, err = fmt.Fprintln(kctx.Stdout, text)
		return err
	})
}

// errUnasked: there is nobody to ask.
var errUnasked = exit.UsageError("nothing was deleted: nobody can be asked; give --yes to delete without a question")

// confirm asks a person, who has to say yes.
func confirm(w io.Writer, question string) (agreed bool, err error) {
	fmt.Fprintf(w, "%s [y/N] ", question)
	answer, err := bufio.NewReader(os.Stdin).ReadString('\n')
	if err == io.EOF && answer == "" {
		fmt.Fprintln(w)
		return false, errUnasked
	}
	if err != nil && err != io.EOF {
		return false, err
	}
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return true, nil
	}
	fmt.Fprintln(w, "nothing was deleted")
	return false, nil
}

// ask looks what would be deleted, and asks whether it is to be.
func (c *deleteCmd) ask(stdout, stderr io.Writer) (there doomed, agreed bool, err error) {
	if !term.IsTerminal(os.Stdin) {
		return there, false, errUnasked
	}
	err = c.withClient(nil, func(ctx context.Context, cl *client.Client) (err error) {
		there, err = c.look(ctx, cl)
		return err
	})
	if err != nil {
		return there, false, err
	}
	if there.events == 0 && c.Expect == nil {
		_, err := fmt.Fprintln(stdout, there.nothing())
		return there, false, err
	}
	agreed, err = confirm(stderr, there.question())
	return there, agreed, err
}

// A doomed is what would be deleted.
type doomed struct {
	stream      string
	first, last uint64 // ids of the stream's events; 0 if it holds none
	upto        uint64 // the last that would go
	events      uint64 // that would go
}

// nothing says why nothing would go.
func (d *doomed) nothing() string {
	if d.last == 0 {
		return fmt.Sprintf("there is nothing to delete: the stream %q holds no event", d.stream)
	}
	return fmt.Sprintf("there is nothing to delete: the stream %q begins with event %d", d.stream, d.first)
}

// question asks whether they are to go.
func (d *doomed) question() string {
	held := d.last - d.first + 1
	text := fmt.Sprintf("The stream %q holds %s.", d.stream, span(d.first, d.last))
	switch d.events {
	case 0:
		return d.nothing() + ". Go on nonetheless?"
	case held:
		return text + " Delete all, for ever?"
	}
	return fmt.Sprintf("%s Delete %s, for ever?", text, span(d.first, d.upto))
}

// span says how many events there are from one id to another, and which.
func span(first, last uint64) string {
	if first == last {
		return fmt.Sprintf("event %d", first)
	}
	return fmt.Sprintf("%s, %d to %d", term.Counted(last-first+1, "event"), first, last)
}

// look looks what would be deleted.
func (c *deleteCmd) look(ctx context.Context, cl *client.Client) (there doomed, err error) {
	there.stream = c.Stream
	for _, end := range []struct {
		desc bool
		id   *uint64
	}{{false, &there.first}, {true, &there.last}} {
		for e, err := range cl.Query(ctx, c.Stream, client.QueryOptions{Limit: 1, Desc: end.desc}) {
			if err != nil {
				return doomed{}, err
			}
			*end.id = e.ID
		}
	}
	there.upto = there.last
	if c.UpTo != nil {
		there.upto = min(there.upto, uint64(*c.UpTo))
	}
	if there.last > 0 && there.upto >= there.first {
		there.events = there.upto - there.first + 1
	}
	return there, nil
}
