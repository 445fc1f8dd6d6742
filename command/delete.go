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
	Stream string       `arg:"" help:"Name of the stream."`
	UpTo   *id          `env:"-" name:"upto" placeholder:"ID" help:"Id of the last event to delete. Default: all."`
	Expect *expectation `env:"-" placeholder:"ID|empty" help:"Delete only if the last event of the stream has this id, or if the stream is empty. Default: none."`
	Yes    bool         `env:"-" short:"y" help:"Do not ask for confirmation. Default: false."`
}

// Help implements kong's.
func (*deleteCmd) Help() string {
	return `Deletes the first events of a stream, or all of them, permanently. On a terminal it shows which and asks first; elsewhere it needs --yes. It prints which events it deleted, if the client has the right to read them. New events continue after the last id ever used. Subscribers and followers are not notified.

Examples:

    gorewind delete account/17
    gorewind delete log --upto 2 --yes
`
}

// Validate implements kong's. It reports usage errors.
func (c *deleteCmd) Validate() error { return checkStream(c.Stream) }

// Run deletes events.
func (c *deleteCmd) Run(kctx *kong.Context, stderr io.Writer) error {
	d := client.Delete{Stream: c.Stream, UpTo: c.UpTo.bound(), Expected: c.Expect.bound()}
	if !c.Yes {
		shown, agreed, err := c.ask(kctx.Stdout, stderr)
		if err != nil || !agreed {
			return err
		}
		if !d.Expected.Given && !d.UpTo.Given {
			d.Expected = client.Some(shown.last) // delete no event that was not shown
		}
	}
	own := hints{
		wire.OutcomeUnknown: "run it again",
		wire.UnknownID:      "give --upto an id that the stream has used, deleted or not",
		wire.Conflict:       "nothing was deleted; check the stream, then try again",
	}
	return c.withClient(own, func(ctx context.Context, cl *client.Client) error {
		there, err := c.look(ctx, cl)
		seen := err == nil
		if err != nil && !errors.As(err, new(*wire.Error)) {
			return err // an ERROR may mean that these very events are damaged, or that the key may not read them
		}
		if !d.Expected.Given && !d.UpTo.Given && there.events > 0 {
			d.UpTo = client.Some(there.last) // delete as many as are printed
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

// errUnasked says that delete cannot ask for confirmation.
var errUnasked = exit.UsageError("nothing was deleted: there is no terminal to ask for confirmation; give --yes")

// confirm asks the user and reports whether the answer is yes.
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

// ask finds out what would be deleted, and asks whether to delete it.
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

// doomed describes the events that would be deleted.
type doomed struct {
	stream      string
	first, last uint64 // ids of the stream's first and last event; 0 if it is empty
	upto        uint64 // id of the last event to delete
	events      uint64 // how many to delete
}

// nothing says why there is nothing to delete.
func (d *doomed) nothing() string {
	if d.last == 0 {
		return fmt.Sprintf("nothing to delete: the stream %q is empty", d.stream)
	}
	return fmt.Sprintf("nothing to delete: the stream %q begins with event %d", d.stream, d.first)
}

// question asks for confirmation.
func (d *doomed) question() string {
	held := d.last - d.first + 1
	text := fmt.Sprintf("The stream %q holds %s.", d.stream, span(d.first, d.last))
	switch d.events {
	case 0:
		return d.nothing() + ". Continue anyway?"
	case held:
		return text + " Permanently delete all?"
	}
	return fmt.Sprintf("%s Permanently delete %s?", text, span(d.first, d.upto))
}

// span returns the number of events from one id to another, and the ids.
func span(first, last uint64) string {
	if first == last {
		return fmt.Sprintf("event %d", first)
	}
	return fmt.Sprintf("%s, %d to %d", term.Counted(last-first+1, "event"), first, last)
}

// look finds out what would be deleted.
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
