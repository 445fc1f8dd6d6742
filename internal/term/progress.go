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

// A Progress shows on a terminal how far work has come: a bar of what is under way,
// which is gone at the end. On anything else it shows nothing. No goroutine draws it;
// who tells how far the work is does, ten times a second at most.
type Progress struct {
	on *os.File // nil: nowhere

	mu    sync.Mutex // protects what follows: others may write above it meanwhile
	bar   *progressbar.ProgressBar
	what  string // it is of
	began int64  // positions that were done before, which would make it look fast
	done  int64  // since then
	of    int64
}

// NewProgress returns one that shows its bar on w, if that is a screen.
func NewProgress(w io.Writer) *Progress {
	if !IsScreen(w) {
		return new(Progress)
	}
	return &Progress{on: w.(*os.File)}
}

// Units of work that a bar shows in a way of their own, as package backup names them.
const (
	octets    = "bytes"     // with a prefix, such as MB
	positions = "positions" // what was done before does not count for the speed
)

// Endless is how much there is to do where nobody knows.
const Endless = -1

// Show shows how much of something is done. It is cheap, and may be called for each
// piece of it.
func (p *Progress) Show(what string, done, of int64, unit string) {
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
	if p.of != Endless {
		p.done = min(p.done, p.of)
	}
	_ = p.bar.Set64(p.done)
}

// left returns how much there is to do. A bar has to have something to do.
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

// Above returns a writer to the same terminal, whose lines stand above the bar.
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
func (p *Progress) layout(columns int, unit string) (l layout) {
	room := columns - echoWidth - percentWidth
	amounts := amountsWidth + len(unit)
	switch {
	case unit == octets:
		amounts = octetsWidth
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
		progressbar.OptionSetSpinnerChangeInterval(0), // otherwise a goroutine would turn it
		progressbar.OptionShowTotalBytes(p.of != Endless),
		progressbar.OptionUseANSICodes(!IsDumb()),
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
func (p *Progress) columns() int {
	if columns, _, err := term.GetSize(int(p.on.Fd())); err == nil && columns > 0 {
		return columns
	}
	return unknownTTY
}
