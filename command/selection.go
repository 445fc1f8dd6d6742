package command

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"

	"gorewind/client"
	"gorewind/wire"
)

// selection holds the flags that select events for query and follow.
type selection struct {
	Stream string   `arg:"" optional:"" help:"Name of the stream; with --prefix the beginning of names, with --glob a pattern."`
	Prefix bool     `env:"-" xor:"match" help:"Select the streams whose names begin with STREAM; without STREAM, all. Default: false."`
	Glob   bool     `env:"-" xor:"match" help:"Select the streams that match the pattern STREAM: * is one or more bytes other than the separator, ** one or more of any. Default: false."`
	Also   []string `env:"-" sep:"none" placeholder:"GLOB" help:"With --prefix or --glob, also select the streams that match this pattern. May be given several times. Default: none."`
	separator

	After *id `env:"-" placeholder:"ID" help:"Only events after this id or, with --prefix or --glob, this position. Default: from the first."`
	limit
	Tail     *uint64  `env:"-" placeholder:"N" help:"Only the last N of these events, in order. Default: all."`
	Since    timeFlag `env:"-" placeholder:"TIME" help:"Only events since this time: RFC 3339, a day, or how long ago, such as 90m. Default: from the first."`
	Nearest  bool     `env:"-" help:"Accept bounds that name a missing event, and start or end at the nearest one. Default: false."`
	Consumer string   `env:"-" placeholder:"NAME" help:"Only events after the cursor of this consumer. Default: none."`
	Store    string   `env:"-" placeholder:"ID.GENERATION" help:"Fail unless the daemon serves this store, from which --after is; see gorewind info. Default: none."`
}

var storeForm = regexp.MustCompile(`^[0-9a-f]+\.[0-9]+$`)

// check reports usage errors. The daemon would report them in terms of the protocol.
func (s *selection) check() error {
	selects := s.Prefix || s.Glob
	switch {
	case !s.Prefix && s.Stream == "":
		return errors.New("which stream? Give STREAM, or --prefix for all")
	case len(s.Stream) > wire.MaxStream:
		return fmt.Errorf("STREAM has %d bytes; the limit is %d", len(s.Stream), wire.MaxStream)
	case len(s.Also) > 0 && !selects:
		return errors.New("--also needs --prefix or --glob")
	case len(s.Also) > wire.MaxAlso:
		return fmt.Errorf("--also is given %d times; the limit is %d", len(s.Also), wire.MaxAlso)
	case s.Separator != "" && !s.Glob && len(s.Also) == 0:
		return errors.New("--separator needs --glob or --also")
	case s.Consumer != "" && s.After != nil:
		return errors.New("--consumer and --after both say where to start; give one")
	case len(s.Consumer) > wire.MaxConsumer:
		return fmt.Errorf("--consumer has %d bytes; the limit is %d", len(s.Consumer), wire.MaxConsumer)
	case s.Store != "" && !storeForm.MatchString(s.Store):
		return fmt.Errorf("--store %s is not ID.GENERATION; gorewind info prints both", s.Store)
	}
	if err := cmp.Or(s.checkSeparator(), s.checkLimit()); err != nil {
		return err
	}
	for _, glob := range s.Also {
		if glob == "" || len(glob) > wire.MaxGlob {
			return fmt.Errorf("--also has %d bytes; give 1 to %d", len(glob), wire.MaxGlob)
		}
	}
	return nil
}

// options returns the options of the client's query.
func (s *selection) options() client.QueryOptions {
	o := client.QueryOptions{
		Limit: s.most(), Since: s.Since.Time, Nearest: s.Nearest, Consumer: s.Consumer,
		Also: s.Also, Separator: s.Separator, Store: s.Store,
	}
	if s.After != nil {
		o.After = uint64(*s.After)
	}
	switch {
	case s.Prefix:
		o.Match = client.MatchPrefix
	case s.Glob:
		o.Match = client.MatchGlob
	}
	return o
}

// hints returns what to do about an unknown id, in terms of the flags of this selection.
func (s *selection) hints() hints {
	unknown := fmt.Sprintf("it was deleted or never existed; see the events with gorewind query %q, or add --nearest to skip missing ones", s.Stream)
	if s.Prefix || s.Glob {
		unknown = "with --prefix and --glob, --after and --upto are positions, not ids; --nearest skips missing ones"
	}
	return hints{wire.UnknownID: unknown}
}
