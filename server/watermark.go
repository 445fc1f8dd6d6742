package server

// A watermark keeps a socket's high-water mark, which libzmq counts in
// messages, such that a full queue also stays below a number of octets. It is
// lowered at once when messages are large, and raised again after many small
// ones.
type watermark struct {
	normal int // messages
	least  int // messages
	octets int
	set    func(messages int) error

	now     int
	seen    int // messages since largest was reset
	largest int // of them, octets
}

const watermarkWindow = 10_000

// see takes note of messages, the largest of which has that many octets.
func (w *watermark) see(messages, largest int) error {
	w.largest = max(w.largest, largest)
	w.seen += messages
	if w.now == 0 {
		w.now = w.normal
	}
	fits := min(max(w.octets/max(w.largest, 1), w.least), w.normal)
	windowOver := w.seen >= watermarkWindow
	if windowOver {
		w.seen, w.largest = 0, 0
	}
	if fits < w.now || fits > w.now && windowOver {
		w.now = fits
		return w.set(fits)
	}
	return nil
}
