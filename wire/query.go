package wire

import "time"

// Limits of a Query.
const (
	MaxAlso = 16
	MaxGlob = 255
)

// Query asks for the events of a stream with After < id <= UpTo, or with Match of
// several streams with After < position <= UpTo.
type Query struct {
	Stream []byte // 1 to 255 bytes; with MatchPrefix 0 to 255
	After  Bound
	UpTo   Bound

	Limit    uint64    // events; 0 is no limit
	Desc     bool      // the last event first
	Since    time.Time // at or after; zero: no bound; rounded up to whole microseconds
	Until    time.Time // before; as Since
	Nearest  bool
	Consumer []byte // begin after its cursor; nil: none is named
	Follow   bool
	Meta     bool // implied by Match; ParseRequest sets it

	Match        Match
	Also         [][]byte // globs, at most 16 of 1 to 255 bytes
	Separator    byte     // of globs; 0 unless HasSeparator
	HasSeparator bool     // without it, the separator is DefaultSeparator

	Store string // ID.GENERATION; empty: any store
}

// A Match says what the stream of a Query stands for.
type Match int

// The stream of a Query is a name, a prefix of names, or a glob.
const (
	MatchName Match = iota
	MatchPrefix
	MatchGlob
)

// DefaultSeparator separates the parts of names in globs.
const DefaultSeparator = '/'

// The forms of the options.
var queryOptions = map[string]string{
	optLimit:     limitForm,
	optOrder:     "order=desc or order=asc",
	optSince:     "since=TIME with a time in RFC 3339",
	optUntil:     "until=TIME with a time in RFC 3339",
	optNearest:   optNearest,
	optConsumer:  "consumer=NAME with a name of 1 to 255 bytes",
	optFollow:    optFollow,
	optMeta:      optMeta,
	optMatch:     "match=prefix or match=glob",
	optAlso:      "also=GLOB with a glob of 1 to 255 bytes, at most 16 times",
	optSeparator: "separator=O with one byte",
	optStore:     storeForm,
}

// Frames implements Request.
func (q Query) Frames() [][]byte {
	frames := [][]byte{[]byte(QUERY), q.Stream, q.After.frame(), q.UpTo.frame()}
	flag := func(given bool, name string) {
		if given {
			frames = append(frames, []byte(name))
		}
	}
	option := func(given bool, name, value string) {
		if given {
			frames = append(frames, optionFrame(name, value))
		}
	}
	option(q.Limit > 0, optLimit, formatLimit(q.Limit))
	option(q.Desc, optOrder, "desc")
	option(!q.Since.IsZero(), optSince, instant(q.Since).Format(TimeForm))
	option(!q.Until.IsZero(), optUntil, instant(q.Until).Format(TimeForm))
	flag(q.Nearest, optNearest)
	option(q.Consumer != nil, optConsumer, string(q.Consumer))
	flag(q.Follow, optFollow)
	flag(q.Meta && q.Match == MatchName, optMeta)
	option(q.Match == MatchPrefix, optMatch, "prefix")
	option(q.Match == MatchGlob, optMatch, "glob")
	for _, glob := range q.Also {
		option(true, optAlso, string(glob))
	}
	option(q.HasSeparator, optSeparator, string([]byte{q.Separator}))
	option(q.Store != "", optStore, q.Store)
	return frames
}

func parseQuery(args [][]byte) (Request, *Error) {
	if len(args) < 3 {
		return nil, tooFew(QUERY, "stream, after and upto", len(args))
	}
	q := Query{Stream: args[0]}
	options := args[3:]
	if err := parseOptions(QUERY, queryOptions, options, q.set); err != nil {
		return nil, err
	}
	var err *Error
	if q.Match == MatchName {
		if err = checkStream(q.Stream); err != nil {
			return nil, err
		}
	}
	if q.After, err = parseBound("after", args[1]); err != nil {
		return nil, err
	}
	if q.UpTo, err = parseBound("upto", args[2]); err != nil {
		return nil, err
	}
	if err = q.checkOptions(options); err != nil {
		return nil, err
	}
	q.Meta = q.Meta || q.Match != MatchName
	return q, nil
}

// set reads one option; see parseOptions.
func (q *Query) set(name string, value []byte) (ok bool) {
	switch name {
	case optLimit:
		q.Limit, ok = parseLimit(value)
		return ok
	case optOrder:
		q.Desc = string(value) == "desc"
		return q.Desc || string(value) == "asc"
	case optSince:
		q.Since, ok = parseInstant(value)
		return ok
	case optUntil:
		q.Until, ok = parseInstant(value)
		return ok
	case optNearest:
		q.Nearest = true
	case optConsumer:
		q.Consumer = value
		return len(value) > 0 && len(value) <= MaxConsumer
	case optFollow:
		q.Follow = true
	case optMeta:
		q.Meta = true
	case optMatch:
		q.Match, ok = parseMatch(value)
		return ok
	case optAlso:
		q.Also = append(q.Also, value)
		return len(value) > 0 && len(value) <= MaxGlob && len(q.Also) <= MaxAlso
	case optSeparator:
		if len(value) != 1 {
			return false
		}
		q.Separator, q.HasSeparator = value[0], true
	case optStore:
		q.Store = string(value)
		return isStore(value)
	}
	return true
}

func parseMatch(value []byte) (Match, bool) {
	switch string(value) {
	case "prefix":
		return MatchPrefix, true
	case "glob":
		return MatchGlob, true
	}
	return MatchName, false
}

// checkOptions refuses options that contradict the rest of the request.
func (q *Query) checkOptions(options [][]byte) *Error {
	if len(options) == 0 {
		return nil
	}
	selects := q.Match != MatchName
	for _, c := range []struct {
		is                bool
		name, where, cure string
	}{
		{q.Follow && q.UpTo.Given, optFollow, "beside upto", "leave one of them out"},
		{q.Follow && !q.Until.IsZero(), optFollow, "beside until", "leave one of them out"},
		{q.Follow && q.Desc, optFollow, "beside order=desc", "leave one of them out"},
		{q.Consumer != nil && q.After.Given, optConsumer, "beside after", "leave one of them out"},
		{len(q.Also) > 0 && !selects, optAlso, "without match", "add match=prefix or match=glob, or leave it out"},
		{q.HasSeparator && !selects, optSeparator, "without match", "add match=glob, or leave it out"},
		{q.HasSeparator && q.Match == MatchPrefix && len(q.Also) == 0, optSeparator,
			"beside match=prefix without also", "add also=GLOB, or leave it out"},
		{q.Match == MatchGlob && len(q.Stream) == 0, optMatch, "beside an empty stream", "send a glob, or match=prefix"},
		{selects && len(q.Stream) > MaxStream, optMatch, "beside a stream of more than 255 bytes", "send a shorter one"},
	} {
		if c.is {
			return optionError(findOption(options, c.name), c.cure, "the option %s means nothing %s", c.name, c.where)
		}
	}
	return nil
}
