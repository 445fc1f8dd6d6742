package command

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

type completeCmd struct {
	Words []string `arg:"" optional:"" help:"The command line so far; the last word is the one to complete."`
}

// Run prints what the last word may become: first what kind of completions there
// are, then, if they are words, one a line, with what it means after a tab.
func (c *completeCmd) Run(kctx *kong.Context) error {
	if len(c.Words) == 0 {
		c.Words = []string{""}
	}
	found := complete(kctx.Model.Node, c.Words)
	fmt.Fprintln(kctx.Stdout, found.kind)
	for _, w := range found.words {
		fmt.Fprintf(kctx.Stdout, "%s\t%s\n", w.text, w.meaning)
	}
	return nil
}

// completions are what a word may become.
type completions struct {
	kind  string // words, files or directories
	words []word
}

type word struct{ text, meaning string }

// complete finds what the last of these words may become, after the others.
func complete(node *kong.Node, words []string) completions {
	var pending *kong.Flag // whose value is the next word
	arguments, noFlags := 0, false
	given := make(map[*kong.Flag]bool)
	last := words[len(words)-1]
	for i, w := range words[:len(words)-1] {
		name, _, joined := strings.Cut(w, "=")
		switch {
		case pending != nil:
			pending = nil
		case w == "--" && !noFlags:
			noFlags = true
		case strings.HasPrefix(w, "-") && w != "-" && !noFlags:
			if flag := findFlag(node, name); flag != nil {
				given[flag] = true
				if !joined && !flag.IsBool() && !flag.IsCounter() {
					pending = flag
				}
			}
		default:
			if passesOn(node) {
				return complete(root(node), words[i:])
			}
			if child := findCommand(node, w); child != nil {
				node, arguments = child, 0
			} else {
				arguments++
			}
		}
	}
	if pending != nil {
		return values(pending.Value, pending.PlaceHolder).startingWith("", last)
	}
	if name, value, joined := strings.Cut(last, "="); joined && strings.HasPrefix(last, "-") && !noFlags {
		if flag := findFlag(node, name); flag != nil {
			return values(flag.Value, flag.PlaceHolder).startingWith(name+"=", value)
		}
	}
	if !noFlags && strings.HasPrefix(last, "-") {
		return flags(node, given).startingWith("", last)
	}
	var found completions
	switch {
	case passesOn(node):
		found = commands(root(node))
	case len(node.Children) > 0:
		found = commands(node)
	case len(node.Positional) > 0:
		argument := node.Positional[min(arguments, len(node.Positional)-1)]
		found = values(argument, argument.Tag.PlaceHolder)
	case !noFlags:
		found = flags(node, given)
	}
	return found.startingWith("", last)
}

// startingWith returns those words that start with text, with a prefix before them.
func (c completions) startingWith(prefix, text string) completions {
	if c.kind == "" {
		c.kind = "words"
	}
	var kept []word
	for _, w := range c.words {
		if strings.HasPrefix(w.text, text) {
			kept = append(kept, word{prefix + w.text, w.meaning})
		}
	}
	c.words = kept
	return c
}

// passesOn tells whether a command takes the command line of another one.
func passesOn(node *kong.Node) bool {
	return len(node.Positional) > 0 && node.Positional[0].Passthrough
}

func root(node *kong.Node) *kong.Node {
	for node.Parent != nil {
		node = node.Parent
	}
	return node
}

func findCommand(node *kong.Node, name string) *kong.Node {
	for _, child := range node.Children {
		if child.Name == name || slices.Contains(child.Aliases, name) {
			return child
		}
	}
	return nil
}

// findFlag returns the flag of a command that a word is, or nil.
func findFlag(node *kong.Node, name string) *kong.Flag {
	for _, group := range node.AllFlags(true) {
		for _, flag := range group {
			if name == "--"+flag.Name || flag.Short != 0 && name == "-"+string(flag.Short) {
				return flag
			}
		}
	}
	return nil
}

func commands(node *kong.Node) (found completions) {
	for _, child := range node.Children {
		if !child.Hidden {
			found.words = append(found.words, word{child.Name, firstSentence(child.Help)})
		}
	}
	return found
}

// flags returns the flags of a command that may be given, perhaps again.
func flags(node *kong.Node, given map[*kong.Flag]bool) (found completions) {
	for _, group := range node.AllFlags(true) {
		for _, flag := range group {
			if !given[flag] || flag.IsSlice() {
				found.words = append(found.words, word{"--" + flag.Name, firstSentence(flag.Help)})
			}
		}
	}
	return found
}

// values returns what a flag or an argument may be.
func values(v *kong.Value, placeholder string) (found completions) {
	switch {
	case placeholder == "FILE":
		found.kind = "files"
	case placeholder == "DIR":
		found.kind = "directories"
	case v.Enum != "":
		for _, text := range v.EnumSlice() {
			found.words = append(found.words, word{text: text})
		}
	}
	return found
}

var sentenceEnd = regexp.MustCompile(`[.:;] `)

// firstSentence returns the beginning of a help text, which has room beside a word.
func firstSentence(help string) string {
	if end := sentenceEnd.FindStringIndex(help); end != nil {
		return help[:end[0]]
	}
	return strings.TrimSuffix(help, ".")
}
