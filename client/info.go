package client

import (
	"context"
	"fmt"
	"strconv"

	"gorewind/wire"
)

// Info describes a server and its store.
type Info struct {
	Version    string // of the program
	Store      string // id of the store, lower-case hex
	Generation uint64 // of the store; a restore increases it
	Position   uint64 // of the last commit
	MaxEvent   uint64 // limit of an event in bytes
	Facts      []wire.Param
}

// StoreID returns ID.GENERATION of the store; see QueryOptions.Store.
func (i Info) StoreID() string { return fmt.Sprintf("%s.%d", i.Store, i.Generation) }

// Info returns facts about the server and its store. Facts has all of them, in the server's
// order.
func (c *Client) Info(ctx context.Context) (Info, error) {
	r, err := read[wire.InfoReply](ctx, c, wire.Info{})
	if err != nil {
		return Info{}, err
	}
	return parseInfo(r)
}

// parseInfo reads the facts that every server sends, and ignores others.
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
