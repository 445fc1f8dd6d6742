package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/alecthomas/kong"

	"gorewind/backup"
	"gorewind/internal/advice"
	"gorewind/internal/term"
	"gorewind/store/leveldb/repair"
)

type repairCmd struct {
	DataDir    string `default:"data" placeholder:"DIR" help:"The store. Default: ${default}."`
	AcceptLoss bool   `env:"-" help:"Go on without what is lost; without it, it is only told. Default: false."`
	All        bool   `help:"Tell every piece of damage; without it, 20 and how many more there are. Default: false."`
}

// Help implements kong's.
func (*repairCmd) Help() string {
	return `
The damaged database is kept beside the repaired one. Where something would be lost, it says what, changes nothing, and exits with 1.

Examples:

    gorewind repair --data-dir /var/lib/gorewind/data
    gorewind repair --data-dir /var/lib/gorewind/data --accept-loss
`
}

// unrepaired says that a signal came before the store was repaired.
func unrepaired(ctx context.Context) error {
	return fmt.Errorf("%w before the end; nothing was changed", stoppedBy(ctx))
}

// Run repairs, until it is done or a signal comes.
func (c *repairCmd) Run(kctx *kong.Context, stderr io.Writer) error {
	ctx, stop := untilSignal()
	defer stop()
	line := term.NewProgress(stderr)
	done, err := repair.Run(ctx, c.DataDir, repair.Options{
		AcceptLoss: c.AcceptLoss,
		All:        c.All,
		Progress: func(what string, done, of int) {
			line.Show(c.DataDir+": "+what, int64(done), int64(of), unitOf(what))
		},
	})
	line.Clear()
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return unrepaired(ctx)
	}
	if err != nil {
		return advice.ForStore(c.DataDir, err)
	}
	return c.tell(kctx.Stdout, done)
}

// unitOf returns what there is of a stage of a repair.
func unitOf(stage string) string {
	if stage == repair.Verifying {
		return backup.Events
	}
	return "tables"
}

// tell prints what came of it; it is an error when something would be lost.
func (c *repairCmd) tell(w io.Writer, done repair.Result) error {
	lines := damageLines("damaged", done.Found)
	var failed error
	switch {
	case done.Found.Damaged == 0:
		lines = append(lines, "whole: there is nothing to repair")
	case done.Left.Damaged == 0:
		lines = append(lines, "repaired: nothing acknowledged is missing")
	case done.KeptAt == "":
		lines = append(lines, damageLines("lost", done.Left)...)
		lines = append(lines, fmt.Sprintf("left: %s, %s", term.Counted(done.Left.Streams, "stream"), term.Counted(done.Left.Events, "event")))
		failed = errors.New("it cannot be repaired without loss, and nothing was changed; restore a backup, or go on without what is lost with --accept-loss")
	default:
		lines = append(lines, damageLines("lost", done.Left)...)
		lines = append(lines, fmt.Sprintf("repaired with loss: %s and %s are left; the store has a new generation", term.Counted(done.Left.Streams, "stream"), term.Counted(done.Left.Events, "event")))
	}
	if done.KeptAt != "" {
		lines = append(lines, fmt.Sprintf("kept: %s is the database as it was; remove it when you need it no more", done.KeptAt))
	}
	_, err := fmt.Fprintln(w, strings.Join(lines, "\n"))
	return errors.Join(err, failed)
}
