package main

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// table returns the results as reStructuredText.
func (r *report) table() string {
	var b strings.Builder
	b.WriteString(".. Written by the command in bench/, which would overwrite a change.\n\n")
	if r.quick {
		b.WriteString("**From -quick: these figures mean nothing.**\n\n")
	}
	b.WriteString(wrap("", fmt.Sprintf("Events per second, acknowledged from disk or replayed: medians of %d %s on %s (%s). "+
		"Events are of %d random bytes unless said; servers and clients share the machine.",
		r.runs, plural(r.runs, "run"), r.day.Format("2006-01-02"), r.machine(), workloads[0].size)) + "\n")
	b.WriteString(simpleTable(r.cells()) + "\n")
	b.WriteString(wrap("", fmt.Sprintf("%sOf one peer and workload, the fastest run was up to %.2f times the slowest. "+
		"An event in an atomic batch is acknowledged only with the whole batch.",
		r.ahead(), r.worstSpread())) + "\n")
	for i, p := range r.peers {
		b.WriteString(wrap("* ", fmt.Sprintf("**%s:** %s. The fastest ways, which count: %s.", p.version(), p.settings(), r.waysOf(i))))
	}
	fmt.Fprintf(&b, "\nTo repeat it: ``make bench-peers``, or in bench/: ``%s``.\n", r.command)
	return b.String()
}

// cells are the table's, the first line being its head.
func (r *report) cells() [][]string {
	base := r.base()
	head := []string{"workload"}
	for _, p := range r.peers {
		head = append(head, p.name())
	}
	for i, p := range r.peers {
		if base >= 0 && i != base {
			head = append(head, "Gorewind / "+p.name())
		}
	}
	lines := [][]string{head}
	for _, row := range r.rows {
		line := []string{row.title()}
		for _, m := range row.medians {
			line = append(line, thousands(m))
		}
		for i, m := range row.medians {
			if base >= 0 && i != base {
				line = append(line, fmt.Sprintf("%.2f", row.medians[base]/m))
			}
		}
		lines = append(lines, line)
	}
	return lines
}

// title is the workload's, with the number of events where all have the same.
func (r row) title() string {
	if r.workload.replay {
		return fmt.Sprintf("%s of %s", r.workload.title, thousands(float64(r.events[0])))
	}
	return r.workload.title
}

// waysOf lists how a peer was asked.
func (r *report) waysOf(peer int) string {
	var all []string
	for _, row := range r.rows {
		if row.ways[peer] != "" {
			all = append(all, row.workload.title+": "+row.ways[peer])
		}
	}
	return strings.Join(all, "; ")
}

func (r *report) worstSpread() float64 {
	worst := 1.0
	for _, row := range r.rows {
		worst = max(worst, row.spread)
	}
	return worst
}

// simpleTable lays lines out as what reStructuredText calls a simple table.
// Numbers, which is all but the first column, stand to the right.
func simpleTable(lines [][]string) string {
	widths := make([]int, len(lines[0]))
	for _, line := range lines {
		for i, text := range line {
			widths[i] = max(widths[i], utf8.RuneCountInString(text))
		}
	}
	rules := make([]string, len(widths))
	for i, w := range widths {
		rules[i] = strings.Repeat("=", w)
	}
	rule := strings.Join(rules, "  ") + "\n"
	var b strings.Builder
	b.WriteString(rule)
	for n, line := range lines {
		for i, text := range line {
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(text))
			if i == 0 {
				b.WriteString(text + pad)
			} else {
				b.WriteString("  " + pad + text)
			}
		}
		b.WriteByte('\n')
		if n == 0 {
			b.WriteString(rule)
		}
	}
	return b.String() + rule
}

// wrap breaks a text into lines that begin with a bullet or stand below it.
func wrap(bullet, text string) string {
	const width = 120
	var b strings.Builder
	line := bullet
	empty := true
	for _, word := range strings.Fields(text) {
		if !empty && utf8.RuneCountInString(line+" "+word) > width {
			b.WriteString(line + "\n")
			line, empty = strings.Repeat(" ", len(bullet)), true
		}
		if !empty {
			line += " "
		}
		line, empty = line+word, false
	}
	return b.String() + line + "\n"
}

// thousands writes a number to three places, or whole below a thousand, with
// commas.
func thousands(v float64) string {
	unit := 1.0
	for v >= 1_000*unit {
		unit *= 10
	}
	s := fmt.Sprintf("%.0f", float64(int(v/unit+0.5))*unit)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func plural(n int, word string) string {
	if n == 1 {
		return word
	}
	return word + "s"
}
