package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/alecthomas/kong"

	"gorewind/client"
	"gorewind/wire"
)

type deleteCmd struct {
	connection
	Stream string       `arg:"" help:"The stream."`
	UpTo   *id          `env:"-" name:"upto" placeholder:"ID" help:"The last event that goes. Default: all go."`
	Expect *expectation `env:"-" placeholder:"ID|empty" help:"Only if this is the id of the stream's last event, or if it holds none. Default: none."`
	Yes    bool         `env:"-" help:"Do not ask. Default: false."`
}

// Help implements kong's.
func (*deleteCmd) Help() string {
	return `It removes the first events of a stream, or all of them, for ever. It says which and asks before it does; where nobody can be asked it needs --yes. The stream's ids go on after the last that was given. Subscribers and followers do not hear of it.

Examples:

    gorewind delete account/17
    gorewind delete log --upto 100000 --yes
`
}

// Validate implements kong's: what it refuses was not asked properly.
func (c *deleteCmd) Validate() error { return checkStream(c.Stream) }

// Run deletes events.
func (c *deleteCmd) Run(kctx *kong.Context, stderr io.Writer) error {
	d := client.Delete{Stream: c.Stream, UpTo: c.UpTo.bound(), Expected: c.Expect.bound()}
	if !c.Yes {
		if !isTerminal(os.Stdin) {
			return errUnasked
		}
		there, err := c.look()
		if err != nil {
			return err
		}
		if there.events == 0 && c.Expect == nil {
			_, err := fmt.Fprintf(kctx.Stdout, "there is nothing to delete: %s\n", there.text)
			return err
		}
		if agreed, err := confirm(stderr, there.text+"; they cannot be had back. Delete them?"); err != nil || !agreed {
			return err
		}
		if !d.Expected.Given && !d.UpTo.Given {
			d.Expected = client.Some(there.last) // nothing goes that was not told
		}
	}
	own := cures{
		wire.OutcomeUnknown: "run it again",
		wire.UnknownID:      "give --upto an id that it has given, deleted or not",
		wire.Conflict:       "nothing was deleted; look again, then decide anew",
	}
	return c.talk(own, func(ctx context.Context, cl *client.Client) error {
		if err := cl.Delete(ctx, d); err != nil {
			return err
		}
		_, err := fmt.Fprintln(kctx.Stdout, "deleted")
		return err
	})
}

// errUnasked: there is nobody to ask.
var errUnasked = usageError("nothing was deleted: nobody can be asked; give --yes to delete without a question")

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

// A doomed is what would be deleted.
type doomed struct {
	text   string
	events uint64
	last   uint64 // id of the stream's last event
}

// look looks what would be deleted.
func (c *deleteCmd) look() (there doomed, err error) {
	err = c.talk(nil, func(ctx context.Context, cl *client.Client) error {
		var first uint64
		for _, end := range []struct {
			desc bool
			id   *uint64
		}{{false, &first}, {true, &there.last}} {
			for e, err := range cl.Query(ctx, c.Stream, client.QueryOptions{Limit: 1, Desc: end.desc}) {
				if err != nil {
					return err
				}
				*end.id = e.ID
			}
		}
		if there.last == 0 {
			there.text = fmt.Sprintf("the stream %q holds no event", c.Stream)
			return nil
		}
		upto := there.last
		if c.UpTo != nil {
			upto = min(upto, uint64(*c.UpTo))
		}
		if upto < first {
			there.text = fmt.Sprintf("the stream %q begins with event %d", c.Stream, first)
			return nil
		}
		there.events = upto - first + 1 // ids have no gap
		there.text = fmt.Sprintf("the stream %q holds the events %d to %d; %s of them would go, those up to %d", c.Stream, first, there.last, count(there.events), upto)
		return nil
	})
	return there, err
}
