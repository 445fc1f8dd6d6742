// Package complete completes command lines for shells. It finds the completions of the last
// word, and has the scripts with which bash, zsh and fish ask for them.
package complete

import (
	_ "embed"
	"regexp"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// Completions are the possible completions of a word.
type Completions struct {
	Kind  string // words, files, directories, or streams, which only a daemon knows
	Words []Word
}

// A Word is a completion and its meaning, if known.
type Word struct{ Text, Meaning string }

// Find returns the completions of the last word, after the others.
func Find(node *kong.Node, words []string) Completions {
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
				return Find(root(node), words[i:])
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
	var found Completions
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

// startingWith returns the words that start with text, each with prefix before it.
func (c Completions) startingWith(prefix, text string) Completions {
	if c.Kind == "" {
		c.Kind = "words"
	}
	var kept []Word
	for _, w := range c.Words {
		if strings.HasPrefix(w.Text, text) {
			kept = append(kept, Word{prefix + w.Text, w.Meaning})
		}
	}
	c.Words = kept
	return c
}

// passesOn reports whether a command takes the command line of another command.
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

// findFlag returns the flag with a name, or nil.
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

func commands(node *kong.Node) (found Completions) {
	for _, child := range node.Children {
		if !child.Hidden {
			found.Words = append(found.Words, Word{child.Name, firstSentence(child.Help)})
		}
	}
	return found
}

// flags returns the flags of a command that can still be given.
func flags(node *kong.Node, given map[*kong.Flag]bool) (found Completions) {
	for _, group := range node.AllFlags(true) {
		for _, flag := range group {
			if !given[flag] || flag.IsSlice() {
				found.Words = append(found.Words, Word{"--" + flag.Name, firstSentence(flag.Help)})
			}
		}
	}
	return found
}

// values returns the completions of the value of a flag or an argument.
func values(v *kong.Value, placeholder string) (found Completions) {
	switch {
	case v.Name == "stream":
		found.Kind = "streams"
	case placeholder == "FILE":
		found.Kind = "files"
	case placeholder == "DIR":
		found.Kind = "directories"
	case v.Enum != "":
		for _, text := range v.EnumSlice() {
			found.Words = append(found.Words, Word{Text: text})
		}
	}
	return found
}

var sentenceEnd = regexp.MustCompile(`[.:;] `)

// firstSentence returns the first sentence of a help text, which fits next to a word.
func firstSentence(help string) string {
	if end := sentenceEnd.FindStringIndex(help); end != nil {
		return help[:end[0]]
	}
	return strings.TrimSuffix(help, ".")
}

// The scripts call gorewind complete, so they need not know commands and flags, and never go
// out of date.
var (
	//go:embed completion.bash
	bashScript string
	//go:embed completion.zsh
	zshScript string
	//go:embed completion.fish
	fishScript string
)

// Scripts maps names of shells to their scripts.
var Scripts = map[string]string{"bash": bashScript, "zsh": zshScript, "fish": fishScript}
