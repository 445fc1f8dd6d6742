package main

import (
	"fmt"
	"html"
	"slices"
	"strings"
)

// Where things are in the chart, in pixels.
const (
	chartWidth  = 760
	chartMargin = 12
	chartHead   = 58 // above the first group
	chartLabels = 250
	chartValues = 85 // right of the longest bar
	barHeight   = 14
	barStep     = 17
	groupGap    = 16
)

// Colours that stand out on white and on black alike: the file does not know
// what it is shown on, and the reader's system may have another theme than the
// page.
const chartText = "#767676"

var chartColours = []string{"#2f81f7", "#d9622b", "#8a6fd1"}

// chart returns the results as an SVG of bars. The rates of the workloads are
// hundreds of times apart, so each group has a scale of its own.
func (r *report) chart() string {
	group := len(r.peers)*barStep + groupGap
	height := chartHead + len(r.rows)*group
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" font-family="system-ui, sans-serif" font-size="13" fill="%s" role="img">`+"\n",
		chartWidth, height, chartWidth, height, chartText)
	fmt.Fprintf(&b, "<title>Events per second: %s</title>\n", html.EscapeString(r.names(" and ")))
	r.legend(&b)
	for i, row := range r.rows {
		r.group(&b, row, chartHead+i*group)
	}
	b.WriteString("</svg>\n")
	return b.String()
}

// legend writes the chart's head: what is shown, and whose colour is which.
func (r *report) legend(b *strings.Builder) {
	fmt.Fprintf(b, `<text x="%d" y="22">Events per second, acknowledged from disk or replayed; each group to its own scale</text>`+"\n", chartMargin)
	x := chartMargin
	for i, p := range r.peers {
		fmt.Fprintf(b, `<rect x="%d" y="33" width="12" height="12" rx="2" fill="%s"/><text x="%d" y="44">%s</text>`+"\n",
			x, chartColours[i], x+17, html.EscapeString(p.name()))
		x += 150
	}
}

// group writes one workload: its name and a bar for each peer.
func (r *report) group(b *strings.Builder, row row, y int) {
	middle := y + len(r.peers)*barStep/2 + 3
	fmt.Fprintf(b, `<text x="%d" y="%d" text-anchor="end">%s</text>`+"\n", chartLabels-8, middle, html.EscapeString(row.title()))
	const longest = chartWidth - chartLabels - chartValues
	top := slices.Max(row.medians)
	for i, m := range row.medians {
		at := y + i*barStep
		width := max(1, m/top*longest)
		fmt.Fprintf(b, `<rect x="%d" y="%d" width="%.1f" height="%d" rx="2" fill="%s"/><text x="%.1f" y="%d" font-size="12">%s</text>`+"\n",
			chartLabels, at, width, barHeight, chartColours[i], chartLabels+width+6, at+barHeight-3, thousands(m))
	}
}

// names lists the peers.
func (r *report) names(between string) string {
	var all []string
	for _, p := range r.peers {
		all = append(all, p.name())
	}
	return strings.Join(all, between)
}
