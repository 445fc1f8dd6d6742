package client

import (
	"context"
	"fmt"
	"strconv"

	"gorewind/wire"
)

// Info is what a server says of itself and its store.
type Info struct {
	Version    string // of the program
	Store      string // the store's own id, lower-case hex
	Generation uint64 // of the store, raised by a restore
	Position   uint64 // of the last commit
	MaxEvent   uint64 // octets of an event
	Facts      []wire.Param
}

// StoreID returns what names a store and its generation; see QueryOptions.Store.
func (i Info) StoreID() string { return fmt.Sprintf("%s.%d", i.Store, i.Generation) }

// Info asks which server and which store this is. Facts has all that it says, in
// its order.
func (c *Client) Info(ctx context.Context) (Info, error) {
	r, err := read[wire.InfoReply](ctx, c, wire.Info{})
	if err != nil {
		return Info{}, err
	}
	return parseInfo(r)
}

// parseInfo reads what every server says. What it says besides is left alone.
func parseInfo(r wire.InfoReply) (Info, error) {
	i := Info{Facts: r.Facts}
	facts := make(map[string]string)
	for _, f := range r.Facts {
		facts[f.Name] = f.Value
	}
	i.Version, i.Store = facts["version"], facts["store"]
	if i.Store == "" {
		return i, unexpected("INFO without store")
	}
	for name, n := range map[string]*uint64{
		"generation": &i.Generation, "position": &i.Position, "max-event-bytes": &i.MaxEvent,
	} {
		var err error
		if *n, err = strconv.ParseUint(facts[name], 10, 64); err != nil {
			return i, unexpected(fmt.Sprintf("INFO with %s=%s", name, facts[name]))
		}
	}
	return i, nil
}
