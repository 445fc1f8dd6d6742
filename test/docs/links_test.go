package docs

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestReadmeRenders: docutils has nothing to say about README.rst.
func TestReadmeRenders(t *testing.T) {
	const missing = "no python3 has the module docutils; install it, Debian calls it python3-docutils"
	for _, python := range []string{"/usr/bin/python3", "python3"} {
		if exec.Command(python, "-c", "import docutils").Run() != nil {
			continue
		}
		for _, doc := range []string{"README.rst", "examples/README.rst"} {
			read(t, doc) // or go test keeps a result when it changes
			cmd := exec.Command(python, "-c", "import docutils.core as c; c.publish_cmdline(writer_name='html')", "--report=2", doc, os.DevNull)
			if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
				t.Errorf("%v\n%s", err, out)
			}
		}
		return
	}
	if os.Getenv("CI") != "" {
		t.Fatal(missing)
	}
	t.Skip(missing)
}

// linked are the documents whose links are verified.
func linked(t *testing.T) []string {
	t.Helper()
	return append(documents(t), "protocol.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "examples/README.rst", "bench/README.rst")
}

var (
	markdownLink = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	rstLink      = regexp.MustCompile("`[^`<]*<([^`>]+)>`__?")
)

// links returns what a document links to, save what is elsewhere.
func links(t *testing.T, doc string) (targets []string) {
	t.Helper()
	form := markdownLink
	if filepath.Ext(doc) == ".rst" {
		form = rstLink
	}
	for _, m := range form.FindAllStringSubmatch(prose(read(t, doc)), -1) {
		if !strings.Contains(m[1], "://") && !strings.HasSuffix(m[1], "_") { // docutils verifies what ends so
			targets = append(targets, m[1])
		}
	}
	return targets
}

// prose returns a text without its fenced blocks.
func prose(text string) string {
	var kept strings.Builder
	fenced := false
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "```") {
			fenced = !fenced
			continue
		}
		if !fenced {
			kept.WriteString(line)
		}
	}
	return kept.String()
}

// TestLinks: each link leads to a file, and each anchor to a heading.
func TestLinks(t *testing.T) {
	for _, doc := range linked(t) {
		targets := links(t, doc)
		if len(targets) == 0 && doc != "bench/README.rst" {
			t.Errorf("%s: want links, have none", doc)
		}
		for _, target := range targets {
			path, anchor, _ := strings.Cut(target, "#")
			file := doc
			if path != "" {
				file = filepath.Join(filepath.Dir(doc), path)
			}
			if _, err := os.Stat(file); err != nil {
				t.Errorf("%s links to %s: %v", doc, target, err)
				continue
			}
			if anchor != "" && !anchors(t, file)[anchor] {
				t.Errorf("%s links to %s, which has no such heading", doc, target)
			}
		}
	}
}

var (
	heading     = regexp.MustCompile(`(?m)^#+ (.+)$`)
	notInAnchor = regexp.MustCompile(`[^\p{L}\p{N}_ -]`)
)

// anchors returns those that GitHub makes of a document's headings.
func anchors(t *testing.T, doc string) map[string]bool {
	t.Helper()
	found := make(map[string]bool)
	for _, m := range heading.FindAllStringSubmatch(prose(read(t, doc)), -1) {
		found[strings.ReplaceAll(notInAnchor.ReplaceAllString(strings.ToLower(m[1]), ""), " ", "-")] = true
	}
	return found
}

// TestEachDocumentIsLinked: README.rst leads to every document.
func TestEachDocumentIsLinked(t *testing.T) {
	readme := strings.Join(links(t, "README.rst"), "\n") + "\n"
	for _, doc := range append(documents(t)[1:], "protocol.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md") {
		if !strings.Contains(readme, doc+"\n") {
			t.Errorf("README.rst does not lead to %s", doc)
		}
	}
}

// TestNamedFiles: a file that a document names is there.
func TestNamedFiles(t *testing.T) {
	form := regexp.MustCompile("`((?:backup|bench|client|command|docs|examples|internal|packaging|server|store|test|wire)/[\\w/.-]+)`")
	for _, doc := range linked(t) {
		for _, m := range form.FindAllStringSubmatch(prose(read(t, doc)), -1) {
			if _, err := os.Stat(m[1]); err != nil {
				t.Errorf("%s names %s: %v", doc, m[1], err)
			}
		}
	}
}
