package command

import (
	"os/exec"
	"strings"
	"testing"

	"gorewind/internal/config"
)

// TestMan: the manual page says of every command and flag what the help says, and
// groff has nothing against it.
func TestMan(t *testing.T) {
	source := printed(t, "man")
	if _, err := exec.LookPath("groff"); err != nil {
		t.Skip(err)
	}
	groff := exec.CommandContext(t.Context(), "groff", "-man", "-ww", "-Tascii", "-P-cbou", "-rLL=1000n")
	groff.Stdin = strings.NewReader(source)
	var page, complaints strings.Builder
	groff.Stdout, groff.Stderr = &page, &complaints
	if err := groff.Run(); err != nil || complaints.Len() > 0 {
		t.Errorf("%v\n%s", err, complaints.String())
	}
	text := strings.Join(strings.Fields(page.String()), " ")
	wants := []string{summary, description, "EXIT STATUS 0: ", "0: success", "1: failure", "2: usage error", `router = ["tcp://127.0.0.1:9002", "ipc:///run/gorewind/router"]`, "GOREWIND_CONFIG"}
	app := model(t)
	for _, c := range app.Leaves(true) {
		wants = append(wants, c.FullPath()+" "+c.FullPath()) // its heading and its synopsis
		wants = append(wants, c.Help)
		for line := range strings.Lines(c.Detail) {
			wants = append(wants, line)
		}
		for _, a := range c.Positional {
			wants = append(wants, a.Summary(), helpText(a))
		}
	}
	for _, flag := range config.EveryFlag(app.Node) {
		if !flag.Hidden {
			wants = append(wants, flag.String()+" "+helpText(flag.Value))
		}
	}
	for _, want := range wants {
		if want = strings.Join(strings.Fields(want), " "); !strings.Contains(text, want) {
			t.Errorf("want %q in\n%s", want, page.String())
		}
	}
}

func TestManEscapes(t *testing.T) {
	var b strings.Builder
	p := &page{w: &b}
	p.text(`.TH 'a\b' "c" -d ^e ~f ` + "`g`")
	p.macro("TP")
	p.bold(`"x"`)
	const want = `\&.TH \(aqa\eb\(aq \(dqc\(dq \-d \(hae \(tif \(gag\(ga` + "\n.TP\n" + `.B "\(dqx\(dq"` + "\n"
	if b.String() != want {
		t.Errorf("want\n%shave\n%s", want, b.String())
	}
}

// TestHelpIsReadable: every command is under a heading, in a few lines of 80
// columns, and shows how it is used.
func TestHelpIsReadable(t *testing.T) {
	t.Setenv("COLUMNS", "80")
	for _, c := range model(t).Leaves(true) {
		if c.ClosestGroup() == nil {
			t.Errorf("want a group that %s is of, one of groups in cli.go", c.Path())
		}
		if !strings.Contains(c.Detail, "gorewind "+c.Path()) {
			t.Errorf("want an example in the help of %s, have\n%s", c.Path(), c.Detail)
		}
	}
	help := printed(t, "--help")
	lines := strings.Split(help, "\n")
	for i, line := range lines {
		if len(line) > 80 {
			t.Errorf("want 80 columns, have %q", line)
		}
		if line == "Commands:" {
			t.Errorf("want a heading other than Commands: over\n%s", lines[i+1])
		}
	}
	if strings.Contains(help, "\n  complete ") {
		t.Errorf("want no complete, which is for scripts, in\n%s", help)
	}
}
