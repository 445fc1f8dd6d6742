package main

import (
	"io"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// A progress shows on a terminal how far work has come: a bar of what is under way,
// which is gone at the end. On anything else it shows nothing. No goroutine draws it;
// who tells how far the work is does, ten times a second at most.
type progress struct {
	on *os.File // nil: nowhere

	mu    sync.Mutex // protects what follows: others may write above it meanwhile
	bar   *progressbar.ProgressBar
	what  string // it is of
	began int64  // positions that were done before, which would make it look fast
	done  int64  // since then
	of    int64
}

func newProgress(w io.Writer) *progress {
	if !atTerminal(w) {
		return new(progress)
	}
	return &progress{on: w.(*os.File)}
}

// isTerminal reports whether a file is a terminal, or another device such as
// /dev/null, which takes and gives anything.
func isTerminal(file any) bool {
	f, ok := file.(*os.File)
	if !ok {
		return false
	}
	fi, err := f.Stat()
	return err == nil && fi.Mode()&os.ModeCharDevice != 0
}

// atTerminal reports whether what is written is shown on a screen.
func atTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// dumbTerminal reports whether nothing but text may be written to terminals.
func dumbTerminal() bool { return os.Getenv("TERM") == "dumb" }

// Units of work that a bar shows in a way of their own, as package backup names them.
const (
	octets    = "octets"    // with a prefix, such as MB
	positions = "positions" // what was done before does not count for the speed
)

// endless is how much there is to do where nobody knows.
const endless = -1

// show shows how much of something is done. It is cheap, and may be called for each
// piece of it.
func (p *progress) show(what string, done, of int64, unit string) {
	if p.on == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bar == nil || what != p.what || done < p.began+p.done {
		p.clearBar()
		p.what, p.began = what, 0
		if unit == positions {
			p.began = done
		}
		p.of = p.left(of)
		p.bar = p.newBar(unit)
		_ = p.bar.RenderBlank() // there is nobody to be told, here and below
	}
	if left := p.left(of); left != p.of {
		p.of = left
		p.bar.ChangeMax64(left)
	}
	p.done = done - p.began
	if p.of != endless {
		p.done = min(p.done, p.of)
	}
	_ = p.bar.Set64(p.done)
}

// left returns how much there is to do. A bar has to have something to do.
func (p *progress) left(of int64) int64 {
	if of == endless {
		return endless
	}
	return max(of-p.began, 1)
}

// clear removes the line.
func (p *progress) clear() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clearBar()
}

func (p *progress) clearBar() {
	if p.bar != nil {
		_ = p.bar.Clear()
		p.bar, p.done = nil, 0
	}
}

// above returns a writer to the same terminal, whose lines stand above the bar.
func (p *progress) above(w io.Writer) io.Writer { return aboveProgress{p, w} }

type aboveProgress struct {
	*progress
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

// What a line has beside the description and the bar. The library takes what is too
// much from the bar alone; a line that is wrapped cannot be removed, nor can one be to
// whose end the terminal adds ^C.
const (
	percentWidth = len("  100% [] ")
	octetsWidth  = len("(1000 kB/1000 MB, 1000 MB/s)")
	amountsWidth = len("(/, 1234567 /s)")
	timesWidth   = len(" [59s:59m59s]")
	echoWidth    = len("^C") + 1

	widestBar  = 20
	leastBar   = 5
	leastWhat  = 10
	unknownTTY = 80 // columns of a terminal that does not tell
)

// A layout is what fits into a line.
type layout struct {
	what           string
	bar            int
	amounts, times bool
}

// layout leaves out the more the fewer columns there are. Of work without an end
// nothing else could be shown than the amount.
func (p *progress) layout(columns int, unit string) (l layout) {
	room := columns - echoWidth - percentWidth
	amounts := amountsWidth + len(unit)
	switch {
	case unit == octets:
		amounts = octetsWidth
	case p.of == endless:
		amounts += len("12345678")
	default:
		amounts += 2 * len(strconv.FormatInt(p.of, 10))
	}
	l.what = harmless(p.what)
	least := min(displayWidth(l.what), leastWhat)
	if l.amounts = p.of == endless || room-amounts-timesWidth >= least; l.amounts {
		room -= amounts
	}
	if l.times = room-timesWidth >= least; l.times {
		room -= timesWidth
	}
	l.what = snipped(l.what, max(room-leastBar, leastWhat))
	l.bar = min(max(room-displayWidth(l.what), leastBar), widestBar)
	return l
}

func (p *progress) newBar(unit string) *progressbar.ProgressBar {
	l := p.layout(p.columns(), unit)
	options := []progressbar.Option{
		progressbar.OptionSetWriter(p.on),
		progressbar.OptionSetDescription(l.what),
		progressbar.OptionSetTheme(progressbar.Theme{Saucer: "=", SaucerHead: ">", SaucerPadding: " ", BarStart: "[", BarEnd: "]"}),
		progressbar.OptionSetWidth(l.bar),
		progressbar.OptionSetPredictTime(l.times && p.of != endless),
		progressbar.OptionSetElapsedTime(l.times && p.of == endless),
		progressbar.OptionThrottle(100 * time.Millisecond),
		progressbar.OptionSetSpinnerChangeInterval(0), // otherwise a goroutine would turn it
		progressbar.OptionShowTotalBytes(p.of != endless),
		progressbar.OptionUseANSICodes(!dumbTerminal()),
		progressbar.OptionClearOnFinish(),
	}
	switch {
	case !l.amounts:
	case unit == octets:
		options = append(options, progressbar.OptionShowCount(), progressbar.OptionShowBytes(true))
	default:
		options = append(options, progressbar.OptionShowCount(), progressbar.OptionShowIts(), progressbar.OptionSetItsString(unit))
	}
	return progressbar.NewOptions64(p.of, options...)
}

// columns returns how wide the terminal is.
func (p *progress) columns() int {
	if columns, _, err := term.GetSize(int(p.on.Fd())); err == nil && columns > 0 {
		return columns
	}
	return unknownTTY
}
