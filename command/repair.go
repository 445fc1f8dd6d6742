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
	DataDir    string `default:"data" placeholder:"DIR" help:"Directory of the store. Default: ${default}."`
	AcceptLoss bool   `env:"-" help:"Repair even if data is lost; without it, repair only reports the loss. Default: false."`
	All        bool   `help:"Report all damage, not just the first 20 pieces. Default: false."`
}

// Help implements kong's.
func (*repairCmd) Help() string {
	return `
Keeps the damaged database next to the repaired one. If data would be lost, it lists what, changes nothing, and exits with status 1.

Examples:

    gorewind repair --data-dir /var/lib/gorewind/data
    gorewind repair --data-dir /var/lib/gorewind/data --accept-loss
`
}

// unrepaired says that a signal came before the store was repaired.
func unrepaired(ctx context.Context) error {
	return fmt.Errorf("%w before the end; nothing was changed", stoppedBy(ctx))
}

// Run repairs the store, unless a signal stops it.
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

// unitOf returns the unit of progress of a stage of a repair.
func unitOf(stage string) string {
	if stage == repair.Verifying {
		return backup.Events
	}
	return "tables"
}

// tell prints the result. It returns an error if data would be lost.
func (c *repairCmd) tell(w io.Writer, done repair.Result) error {
	lines := damageLines("damaged", done.Found)
	var failed error
	switch {
	case done.Found.Damaged == 0:
		lines = append(lines, "intact: nothing to repair")
	case done.Left.Damaged == 0:
		lines = append(lines, "repaired: no acknowledged event is missing")
	case done.KeptAt == "":
		lines = append(lines, damageLines("lost", done.Left)...)
		lines = append(lines, fmt.Sprintf("left: %s, %s", term.Counted(done.Left.Streams, "stream"), term.Counted(done.Left.Events, "event")))
		failed = errors.New("cannot repair without loss; nothing was changed; restore a backup, or accept the loss with --accept-loss")
	default:
		lines = append(lines, damageLines("lost", done.Left)...)
		lines = append(lines, fmt.Sprintf("repaired with loss: %s and %s are left; the store has a new generation", term.Counted(done.Left.Streams, "stream"), term.Counted(done.Left.Events, "event")))
	}
	if done.KeptAt != "" {
		lines = append(lines, fmt.Sprintf("kept: %s is the damaged database; remove it when you no longer need it", done.KeptAt))
	}
	_, err := fmt.Fprintln(w, strings.Join(lines, "\n"))
	return errors.Join(err, failed)
}
