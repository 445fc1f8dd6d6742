package command

import (
	"errors"
	"fmt"
	"regexp"

	"gorewind/client"
	"gorewind/wire"
)

// A selection says which events query and follow show.
type selection struct {
	Stream    string   `arg:"" optional:"" help:"The stream; with --prefix how its name begins, with --glob a pattern for it."`
	Prefix    bool     `env:"-" xor:"match" help:"Select all streams whose names begin with STREAM, or without it all. Default: false."`
	Glob      bool     `env:"-" xor:"match" help:"Select the streams that match STREAM: * is one or more octets without the separator, ** one or more of any. Default: false."`
	Also      []string `env:"-" sep:"none" placeholder:"GLOB" help:"With --prefix or --glob, select the streams that match this too. May be given several times. Default: none."`
	Separator string   `env:"-" placeholder:"OCTET" help:"The separator of the parts of names in globs. Default: /."`

	After *id `env:"-" placeholder:"ID" help:"Only what comes after this id or, with --prefix or --glob, this position. Default: from the first."`
	limit
	Tail     *uint64  `env:"-" placeholder:"N" help:"Show only the last N of these events, in order. Default: all."`
	Since    timeFlag `env:"-" placeholder:"TIME" help:"From this time on: RFC 3339, a day, or how long ago such as 90m. Default: from the first."`
	Nearest  bool     `env:"-" help:"It is no error that the stream does not hold the event that --after or another bound names. Default: false."`
	Consumer string   `env:"-" placeholder:"NAME" help:"Only what comes after what this consumer has committed. Default: none."`
	Store    string   `env:"-" placeholder:"ID.GENERATION" help:"Fail unless this is the store, which --after is from; see gorewind info. Default: none."`
}

var storeForm = regexp.MustCompile(`^[0-9a-f]+\.[0-9]+$`)

// check refuses what means nothing: the daemon would, in the protocol's words.
func (s *selection) check() error {
	selects := s.Prefix || s.Glob
	switch {
	case !s.Prefix && s.Stream == "":
		return errors.New("which stream? Give one, or --prefix for all")
	case len(s.Stream) > wire.MaxStream:
		return fmt.Errorf("STREAM has %d octets; it may have %d", len(s.Stream), wire.MaxStream)
	case len(s.Also) > 0 && !selects:
		return errors.New("--also means nothing without --prefix or --glob")
	case len(s.Also) > wire.MaxAlso:
		return fmt.Errorf("--also is given %d times; it may be %d times", len(s.Also), wire.MaxAlso)
	case s.Separator != "" && !s.Glob && len(s.Also) == 0:
		return errors.New("--separator means nothing without --glob or --also")
	case len(s.Separator) > 1:
		return fmt.Errorf("--separator has %d octets; give one", len(s.Separator))
	case s.Consumer != "" && s.After != nil:
		return errors.New("--consumer and --after both say where to begin; leave one of them out")
	case len(s.Consumer) > wire.MaxConsumer:
		return fmt.Errorf("--consumer has %d octets; it may have %d", len(s.Consumer), wire.MaxConsumer)
	case s.Store != "" && !storeForm.MatchString(s.Store):
		return fmt.Errorf("--store %s is no ID.GENERATION; gorewind info has it", s.Store)
	}
	if err := s.checkLimit(); err != nil {
		return err
	}
	for _, glob := range s.Also {
		if glob == "" || len(glob) > wire.MaxGlob {
			return fmt.Errorf("--also has %d octets; it may have 1 to %d", len(glob), wire.MaxGlob)
		}
	}
	return nil
}

// options returns what the client is to ask for.
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
	unknown := fmt.Sprintf("it may be deleted, or never have been: gorewind query %q shows what there is, and --nearest passes over what is missing", s.Stream)
	if s.Prefix || s.Glob {
		unknown = "with --prefix and --glob, --after and --upto are positions, not ids; --nearest passes over what is missing"
	}
	return hints{wire.UnknownID: unknown}
}
