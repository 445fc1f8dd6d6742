package command

import (
	"io"

	"gorewind/internal/render"
	"gorewind/internal/term"
)

// An output is how events and streams are shown.
type output struct {
	JSON  bool   `env:"-" name:"json" xor:"format" help:"Show one JSON object a line; what is not valid UTF-8 is in stream64 and data64, in base64. Default: false."`
	Raw   bool   `env:"-" xor:"format" help:"Show the octets alone, with a line feed after each event or name. Default: false."`
	Raw0  bool   `env:"-" name:"raw0" xor:"format" help:"Show the octets alone, with a zero octet after each event or name. Default: false."`
	Color string `default:"auto" enum:"auto, always, never" placeholder:"WHEN" help:"Colour what is for people: ${enum}; auto heeds NO_COLOR, and TERM=dumb. With always, also what goes into a pipe is for people. Default: ${default}."`
}

// form returns what was asked for: without a word, what is for people goes to a
// terminal and lines for programs to everything else.
func (o *output) form(w io.Writer) render.Form {
	switch {
	case o.JSON:
		return render.JSONLines{}
	case o.Raw:
		return render.Raw{End: '\n'}
	case o.Raw0:
		return render.Raw{End: 0}
	case o.Color == "always" || term.IsTerminal(w):
		return render.Pretty{Palette: term.Palette{Coloured: o.Color == "always" || o.Color == "auto" && term.TakesColour(w)}}
	}
	return render.Columns{}
}

// meta reports whether the positions and times of events are shown.
func (o *output) meta() bool { return !o.Raw && !o.Raw0 }

// printer returns what shows events and streams as was asked for.
func (o *output) printer(w io.Writer) *render.Printer {
	return render.NewPrinter(w, o.form(w))
}
