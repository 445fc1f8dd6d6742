package term

import (
	"io"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// A Progress is a progress bar on a terminal, which is removed at the end. On anything else it
// shows nothing. Show draws the bar, ten times a second at most; there is no goroutine.
type Progress struct {
	on *os.File // nil: show nothing

	mu    sync.Mutex // protects the fields below; Above's writers use them too
	bar   *progressbar.ProgressBar
	what  string // description of the work
	began int64  // positions done before the start, which do not count for the speed
	done  int64  // since the start
	of    int64
}

// NewProgress returns a Progress that shows its bar on w if w is a terminal.
func NewProgress(w io.Writer) *Progress {
	if !IsScreen(w) {
		return new(Progress)
	}
	return &Progress{on: w.(*os.File)}
}

// Units of work with a display of their own. Package backup uses these names.
const (
	byteUnit     = "bytes"     // shown with a prefix, such as MB
	positionUnit = "positions" // those done before the start do not count for the speed
)

// Endless is the amount of work if it is unknown.
const Endless = -1

// Show shows that done of the work is finished, out of a total. It is cheap enough to call for every
// piece.
func (p *Progress) Show(what string, done, total int64, unit string) {
	if p.on == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bar == nil || what != p.what || done < p.began+p.done {
		p.clearBar()
		p.what, p.began = what, 0
		if unit == positionUnit {
			p.began = done
		}
		p.of = p.left(total)
		p.bar = p.newBar(unit)
		_ = p.bar.RenderBlank() // errors of the terminal are ignored, here and below
	}
	if left := p.left(total); left != p.of {
		p.of = left
		p.bar.ChangeMax64(left)
	}
	p.done = done - p.began
	if p.of != Endless {
		p.done = min(p.done, p.of)
	}
	_ = p.bar.Set64(p.done)
}

// left returns how much there is to do, at least 1, since the bar needs a positive total.
func (p *Progress) left(of int64) int64 {
	if of == Endless {
		return Endless
	}
	return max(of-p.began, 1)
}

// Clear removes the line.
func (p *Progress) Clear() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clearBar()
}

func (p *Progress) clearBar() {
	if p.bar != nil {
		_ = p.bar.Clear()
		p.bar, p.done = nil, 0
	}
}

// Above returns a writer to the same terminal that writes its lines above the bar.
func (p *Progress) Above(w io.Writer) io.Writer { return aboveProgress{p, w} }

type aboveProgress struct {
	*Progress
	w io.Writer
}

// Write implements io.Writer.
func (a aboveProgress) Write(b []byte) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.bar != nil {
		_ = a.bar.Clear()
	}
	return a.w.Write(b)
}

// Widths of a line's parts other than the description and the bar. If a line is too long, the
// library shortens only the bar. A line that wraps cannot be removed; nor can a line to which
// the terminal appends ^C.
const (
	percentWidth = len("  100% [] ")
	bytesWidth   = len("(1000 kB/1000 MB, 1000 MB/s)")
	amountsWidth = len("(/, 1234567 /s)")
	timesWidth   = len(" [59s:59m59s]")
	echoWidth    = len("^C") + 1

	widestBar  = 20
	leastBar   = 5
	leastWhat  = 10
	unknownTTY = 80 // columns, if the terminal does not tell
)

// A layout says what fits into a line.
type layout struct {
	what           string
	bar            int
	amounts, times bool
}

// layout leaves out parts that do not fit. For endless work it always keeps the amount, as there
// is nothing else to show.
func (p *Progress) layout(columns int, unit string) (l layout) {
	room := columns - echoWidth - percentWidth
	amounts := amountsWidth + len(unit)
	switch {
	case unit == byteUnit:
		amounts = bytesWidth
	case p.of == Endless:
		amounts += len("12345678")
	default:
		amounts += 2 * len(strconv.FormatInt(p.of, 10))
	}
	l.what = Harmless(p.what)
	least := min(displayWidth(l.what), leastWhat)
	if l.amounts = p.of == Endless || room-amounts-timesWidth >= least; l.amounts {
		room -= amounts
	}
	if l.times = room-timesWidth >= least; l.times {
		room -= timesWidth
	}
	l.what = snipped(l.what, max(room-leastBar, leastWhat))
	l.bar = min(max(room-displayWidth(l.what), leastBar), widestBar)
	return l
}

func (p *Progress) newBar(unit string) *progressbar.ProgressBar {
	l := p.layout(p.columns(), unit)
	options := []progressbar.Option{
		progressbar.OptionSetWriter(p.on),
		progressbar.OptionSetDescription(l.what),
		progressbar.OptionSetTheme(progressbar.Theme{Saucer: "=", SaucerHead: ">", SaucerPadding: " ", BarStart: "[", BarEnd: "]"}),
		progressbar.OptionSetWidth(l.bar),
		progressbar.OptionSetPredictTime(l.times && p.of != Endless),
		progressbar.OptionSetElapsedTime(l.times && p.of == Endless),
		progressbar.OptionThrottle(100 * time.Millisecond),
		progressbar.OptionSetSpinnerChangeInterval(0), // else a goroutine would animate it
		progressbar.OptionShowTotalBytes(p.of != Endless),
		progressbar.OptionUseANSICodes(!IsDumb()),
		progressbar.OptionClearOnFinish(),
	}
	switch {
	case !l.amounts:
	case unit == byteUnit:
		options = append(options, progressbar.OptionShowCount(), progressbar.OptionShowBytes(true))
	default:
		options = append(options, progressbar.OptionShowCount(), progressbar.OptionShowIts(), progressbar.OptionSetItsString(unit))
	}
	return progressbar.NewOptions64(p.of, options...)
}

// columns returns the width of the terminal.
func (p *Progress) columns() int {
	if columns, _, err := term.GetSize(int(p.on.Fd())); err == nil && columns > 0 {
		return columns
	}
	return unknownTTY
}
