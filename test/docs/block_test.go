package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// A block is a piece of code in a document: a program, a session, a file.
type block struct {
	doc  string
	line int    // of its first line of text, from 1
	lang string // python, console, …
	note string // the comment right before it, which readers of the document do not see
	text string
}

// markup is how a document writes a block and a comment.
type markup struct {
	begin, comment *regexp.Regexp // their first group is the language, or the comment's text
	end            string         // the line that ends a block; empty: the first one without indentation
}

var (
	markdown = markup{regexp.MustCompile("^```(.*)$"), regexp.MustCompile(`^<!-- (.*) -->$`), "```"}
	rst      = markup{regexp.MustCompile(`^\.\. code-block:: (\w+)$`), regexp.MustCompile(`^\.\. ([^:]*(?:: .*)?)$`), ""}
)

func markupOf(doc string) markup {
	if filepath.Ext(doc) == ".rst" {
		return rst
	}
	return markdown
}

// documents returns the paths of README.rst and docs/*.md.
func documents(t *testing.T) []string {
	t.Helper()
	docs, err := filepath.Glob("docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	if len(docs) == 0 {
		t.Fatal("docs/ has no documents")
	}
	return append([]string{"README.rst"}, docs...)
}

// read returns the text of a document.
func read(t *testing.T, doc string) string {
	t.Helper()
	text, err := os.ReadFile(doc)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// blocksOf returns the blocks of a document, in order.
func blocksOf(t *testing.T, doc string) (found []block) {
	t.Helper()
	m := markupOf(doc)
	lines := strings.Split(strings.TrimSuffix(read(t, doc), "\n"), "\n")
	note := ""
	for i := 0; i < len(lines); i++ {
		if c := m.comment.FindStringSubmatch(lines[i]); c != nil {
			note = c[1]
			continue
		}
		begin := m.begin.FindStringSubmatch(lines[i])
		if begin == nil {
			if lines[i] != "" {
				note = ""
			}
			continue
		}
		b := block{doc: doc, line: i + 2, lang: begin[1], note: note}
		b.text, i = m.text(lines, i+1)
		if i >= len(lines) && m.end != "" {
			t.Errorf("%s:%d: want an end of this block, have none", doc, b.line)
		}
		found = append(found, b)
		note = ""
	}
	return found
}

// text returns a block's text, which begins at a line, and the line that ends it.
func (m markup) text(lines []string, at int) (text string, end int) {
	if m.end != "" {
		n := slices.Index(lines[at:], m.end)
		if n < 0 {
			return "", len(lines)
		}
		return strings.Join(lines[at:at+n], "\n") + "\n", at + n
	}
	var b strings.Builder
	for ; at < len(lines) && (lines[at] == "" || strings.HasPrefix(lines[at], "    ")); at++ {
		b.WriteString(strings.TrimPrefix(lines[at], "    ") + "\n")
	}
	return strings.Trim(b.String(), "\n") + "\n", at - 1
}

// blockNoted returns the one block of a document that has a note.
func blockNoted(t *testing.T, doc, note string) block {
	t.Helper()
	blocks := slices.DeleteFunc(blocksOf(t, doc), func(b block) bool { return b.note != note })
	if len(blocks) != 1 {
		t.Fatalf("%s: want one block with the note %q, have %d", doc, note, len(blocks))
	}
	return blocks[0]
}
