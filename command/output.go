package command

import (
	"errors"
	"io"

	"gorewind/internal/render"
	"gorewind/internal/term"
)

// output holds the flags for the form of the output.
type output struct {
	Output *string `env:"-" short:"o" enum:"pretty, tsv, json, raw, raw0" xor:"format" placeholder:"FORMAT" help:"Format of the output: ${enum}; tsv is lines with tabs between columns. Default: pretty on a terminal, tsv elsewhere."`
	JSON   bool    `env:"-" name:"json" short:"j" xor:"format" help:"Print one JSON object a line; names and data that are not valid UTF-8 are in stream64 and data64, as base64. Default: false."`
	Raw    bool    `env:"-" xor:"format" help:"Print the bytes alone, with a line feed after each event or name. Default: false."`
	Raw0   bool    `env:"-" name:"raw0" xor:"format" help:"Print the bytes alone, with a zero byte after each event or name. Default: false."`
	Color  string  `default:"auto" enum:"auto, always, never" placeholder:"WHEN" help:"Use colour: ${enum}. auto respects NO_COLOR and TERM=dumb; always also formats output to a pipe for reading. Default: ${default}."`
}

// format returns the name of the requested format, or auto.
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

// form returns the requested form. By default a terminal gets output for reading, everything
// else gets lines for programs.
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

// meta reports whether the output has the positions and times of events.
func (o *output) meta() bool { return o.format() != "raw" && o.format() != "raw0" }

// printer returns a printer of events and streams in the requested form.
func (o *output) printer(w io.Writer) *render.Printer {
	return render.NewPrinter(w, o.form(w))
}

// eventOutput adds the flags for the form of events.
type eventOutput struct {
	output
	Compact bool `env:"-" help:"On a terminal, print each event on one line, and JSON without whitespace. Default: false."`
	Nested  bool `env:"-" help:"With --json, put data that is valid JSON into the field json, unquoted, instead of data. Default: false."`
}

// checkOutput reports usage errors.
func (o *eventOutput) checkOutput() error {
	if o.Nested && o.format() != "json" {
		return errors.New("--nested needs --json")
	}
	return nil
}

// printer returns a printer of events in the requested form.
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
