package command

import (
	"errors"
	"io"

	"gorewind/internal/render"
	"gorewind/internal/term"
)

// An output is how events and streams are shown.
type output struct {
	Output *string `env:"-" short:"o" enum:"pretty, tsv, json, raw, raw0" xor:"format" placeholder:"FORMAT" help:"Show events like this: ${enum}; tsv is a line with tabs between its columns. Default: pretty on a terminal, tsv elsewhere."`
	JSON   bool    `env:"-" name:"json" short:"j" xor:"format" help:"Show one JSON object a line; what is not valid UTF-8 is in stream64 and data64, in base64. Default: false."`
	Raw    bool    `env:"-" xor:"format" help:"Show the octets alone, with a line feed after each event or name. Default: false."`
	Raw0   bool    `env:"-" name:"raw0" xor:"format" help:"Show the octets alone, with a zero octet after each event or name. Default: false."`
	Color  string  `default:"auto" enum:"auto, always, never" placeholder:"WHEN" help:"Colour what is for people: ${enum}; auto heeds NO_COLOR, and TERM=dumb. With always, also what goes into a pipe is for people. Default: ${default}."`
}

// format returns the name of the format that was asked for, or auto.
func (o *output) format() string {
	switch {
	case o.JSON:
		return "json"
	case o.Raw:
		return "raw"
	case o.Raw0:
		return "raw0"
	case o.Output != nil:
		return *o.Output
	}
	return "auto"
}

// form returns what was asked for: without a word, what is for people goes to a
// terminal and lines for programs to everything else.
func (o *output) form(w io.Writer) render.Form {
	switch o.format() {
	case "json":
		return render.JSONLines{}
	case "raw":
		return render.Raw{End: '\n'}
	case "raw0":
		return render.Raw{End: 0}
	case "tsv":
		return render.Columns{}
	case "auto":
		if o.Color != "always" && !term.IsTerminal(w) {
			return render.Columns{}
		}
	}
	return render.Pretty{Palette: term.Palette{Coloured: o.Color == "always" || o.Color == "auto" && term.TakesColour(w)}}
}

// meta reports whether the positions and times of events are shown.
func (o *output) meta() bool { return o.format() != "raw" && o.format() != "raw0" }

// printer returns what shows events and streams as was asked for.
func (o *output) printer(w io.Writer) *render.Printer {
	return render.NewPrinter(w, o.form(w))
}

// An eventOutput is how events are shown.
type eventOutput struct {
	output
	Compact bool `env:"-" help:"On a terminal, show each event in one line, JSON without its whitespace. Default: false."`
	Nested  bool `env:"-" help:"With --json, show data that is JSON as it is, in the field json in place of data. Default: false."`
}

// checkOutput refuses what would change nothing.
func (o *eventOutput) checkOutput() error {
	if o.Nested && o.format() != "json" {
		return errors.New("--nested is about --json; give that, too")
	}
	return nil
}

// printer returns what shows events as was asked for.
func (o *eventOutput) printer(w io.Writer) *render.Printer {
	form := o.form(w)
	switch f := form.(type) {
	case render.Pretty:
		f.Compact = o.Compact
		form = f
	case render.JSONLines:
		f.Nested = o.Nested
		form = f
	}
	return render.NewPrinter(w, form)
}

// textOrJSON is how a result is printed that is not events or streams.
type textOrJSON struct {
	Output *string `env:"-" short:"o" enum:"text, json" xor:"format" placeholder:"FORMAT" help:"Print the result like this: ${enum}. Default: text."`
	JSON   bool    `env:"-" name:"json" short:"j" xor:"format" help:"Print one JSON object. Default: false."`
}

// wantsJSON reports whether the result is to be a JSON object.
func (o *textOrJSON) wantsJSON() bool { return o.JSON || o.Output != nil && *o.Output == "json" }
