package command

import (
	"context"

	"gorewind/client"
)

// beginTail makes a query start with the last --tail events that it selects. It returns the id of
// the last one, or its position with --prefix or --glob; 0 if there is none. It buffers nothing:
// the query reads the events again, in order.
func (s *selection) beginTail(ctx context.Context, cl *client.Client, o *client.QueryOptions) (last uint64, err error) {
	backward := *o
	backward.Desc, backward.Limit, backward.Meta = true, *s.Tail, false
	first := uint64(0)
	for e, err := range cl.Query(ctx, s.Stream, backward) {
		if err != nil {
			return 0, err
		}
		first = e.ID
		if s.Prefix || s.Glob {
			first = e.Position
		}
		if last == 0 {
			last = first
		}
	}
	if first > 0 {
		o.After, o.Consumer = first-1, ""
		o.Nearest = true // the event before may be deleted
	}
	return last, nil
}
