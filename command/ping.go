package command

import (
	"context"
	"fmt"
	"time"

	"github.com/alecthomas/kong"

	"gorewind/client"
	"gorewind/internal/term"
)

type pingCmd struct {
	connection
}

// Help implements kong's.
func (*pingCmd) Help() string {
	return `
Examples:

    gorewind ping
    gorewind ping --connect tcp://192.0.2.1:9002 --timeout 30s
    gorewind ping --client-key billing.key_secret --server-key server.key
`
}

// Run measures the time to an answer.
func (c *pingCmd) Run(kctx *kong.Context) error {
	return c.withClient(nil, func(ctx context.Context, cl *client.Client) error {
		info, err := cl.Info(ctx)
		if err != nil {
			return err
		}
		began := time.Now()
		if err := cl.Ping(ctx); err != nil {
			return err
		}
		took := time.Since(began)
		_, err = fmt.Fprintf(kctx.Stdout, "gorewind %s at %s answered in %v: store %s, position %d\n",
			term.Harmless(info.Version), c.Connect, took.Round(time.Microsecond), term.Harmless(info.StoreID()), info.Position)
		return err
	})
}
