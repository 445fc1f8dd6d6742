package leveldb

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"gorewind/store"
	"gorewind/store/leveldb/internal/datadir"
	"gorewind/store/leveldb/repair"
	"gorewind/store/storetest"
)

// A corruption is damage to one file of a specimen.
type corruption struct {
	*specimen
	path string // of the file
	kind string // of the damage
	at   int    // where in the file
	bit  int    // of that byte
}

// Kinds of damage.
const (
	damageNone    = "none" // shows that the harness itself finds nothing
	damageRemoved = "removed"
	damageEmpty   = "empty"
	damageFlipped = "bit flipped"
	damageCut     = "cut"
	damageZeroed  = "512 zeroed"
)

// LevelDB writes its journals in blocks, and begins each chunk in them with a head.
const (
	journalBlock = 32 << 10
	journalHead  = 7
)

var damages = []string{damageNone, damageRemoved, damageEmpty, damageFlipped, damageCut, damageZeroed}

func (c corruption) String() string {
	return fmt.Sprintf("%s %s %s %d.%d", c.name, strings.ReplaceAll(c.path, "/", "-"), c.kind, c.at, c.bit)
}

// file returns the kind of the file.
func (c corruption) file() string {
	return strings.TrimRight(strings.TrimLeft(filepath.Base(c.path), "0123456789"), "-0123456789")
}

// files returns the specimen's files with the damage.
func (c corruption) files() map[string][]byte {
	files := maps.Clone(c.specimen.files)
	b := bytes.Clone(files[c.path])
	switch c.kind {
	case damageRemoved:
		delete(files, c.path)
		return files
	case damageEmpty:
		b = nil
	case damageFlipped:
		b[c.at] ^= 1 << c.bit
	case damageCut:
		b = b[:c.at]
	case damageZeroed:
		clear(b[c.at:min(len(b), c.at+512)])
	}
	files[c.path] = b
	return files
}

// corruptions returns all damage to a file that a store has to survive: to each of
// its bytes, except most bytes of a long file, files that nobody reads, and the
// headers of a journal's blocks.
func (s *specimen) corruptions(r *rand.Rand, path string) []corruption {
	all := []corruption{{specimen: s, path: path, kind: damageRemoved}, {specimen: s, path: path, kind: damageEmpty}}
	const short, long, room = 5000, 61, 509
	b := s.files[path]
	written := len(bytes.TrimRight(b, "\x00"))
	from := r.IntN(room)
	for at := range b {
		every := 1
		switch {
		case strings.HasSuffix(path, ".log") && at%journalBlock < journalHead:
		case at > written && len(b) > short:
			every = room
		case path == datadir.HighwaterName && at%slotStride >= slotSize:
			every = long
		case len(b) > short:
			every = long
		}
		if (at+from)%every == 0 {
			all = append(all, corruption{s, path, damageFlipped, at, r.IntN(8)}, corruption{s, path, damageCut, at, 0})
		}
		if at%64 == 0 && (every < room || at%journalBlock == 0) {
			all = append(all, corruption{s, path, damageZeroed, at, 0})
		}
	}
	return all
}

// Outcomes that a store may have.
const (
	outcomeWhole    = "whole"    // it was not damaged
	outcomeRepaired = "repaired" // and the damaged database is kept
	outcomeShorter  = "shorter"  // the journal's end is missing, as after a power cut
	outcomeRefused  = "refused"
	outcomeTelling  = "telling" // it reports the damage wherever it is met
)

var outcomes = []string{outcomeWhole, outcomeRepaired, outcomeShorter, outcomeRefused, outcomeTelling}

// TestP9Corruption damages a small store in every way, byte by byte. It checks that
// the store holds what it held, or is refused and stays unchanged, or reports the
// damage wherever it is met. Without SWEEP=full or TORTURE it takes a sample. Files
// contain times, so a seed does not reproduce exactly the same damage.
func TestP9Corruption(t *testing.T) {
	r, seed := storetest.Rand(t)
	t.Logf("SEED=%d", seed)
	full := os.Getenv("SWEEP") == "full" || os.Getenv("TORTURE") != ""
	const usual = 3 // of a file, besides removed and empty
	var chosen []corruption
	for _, s := range specimens(t, r) {
		chosen = append(chosen, corruption{specimen: s, path: datadir.HighwaterName, kind: damageNone})
		for _, path := range slices.Sorted(maps.Keys(s.files)) {
			all := s.corruptions(r, path)
			if !full {
				some := all[2:] // after removed and empty
				r.Shuffle(len(some), func(i, j int) { some[i], some[j] = some[j], some[i] })
				all = all[:2+min(usual, len(some))]
			}
			chosen = append(chosen, all...)
		}
	}
	table := newOutcomeTable()
	trials := make(chan corruption)
	var wg sync.WaitGroup
	root := t.TempDir()
	for range 4 * runtime.GOMAXPROCS(0) { // they wait for the disk
		wg.Go(func() {
			for c := range trials {
				outcome, err := c.try(t.Context(), filepath.Join(root, c.String()))
				if table.count(c, outcome, err) {
					t.Errorf("%v: %s: %v", c, outcome, err)
				}
			}
		})
	}
	for _, c := range chosen {
		trials <- c
	}
	close(trials)
	wg.Wait()
	t.Logf("%d stores\n%s", len(chosen), table)
}

// try damages the store in dir, which it creates and removes. It returns the
// outcome, and an error if that is wrong.
func (c corruption) try(ctx context.Context, dir string) (outcome string, err error) {
	// A panic or a hang ends the test. The directory, which then stays, is named
	// after the damage.
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	hangs := time.AfterFunc(2*time.Minute, func() { panic(dir + " hangs") })
	defer hangs.Stop()
	files := c.files()
	if err := writeFiles(dir, files); err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	probed := Probe(dir)
	d, err := Open(dir, Options{})
	if err != nil {
		wrong := errors.Join(refusal(dir, err), reported(ctx, dir, err), unlike(files, dir, err))
		if probed != nil {
			wrong = errors.Join(wrong, refusal(dir, probed))
		}
		return outcomeRefused, wrong
	}
	if probed != nil {
		err = fmt.Errorf("probe refuses it: %w", probed)
	}
	outcome, wrong := c.opened(ctx, dir, d)
	return outcome, errors.Join(err, wrong, c.kept(dir, files, outcome))
}

// namesDamage matches an error that says what is damaged.
var namesDamage = regexp.MustCompile(strings.Join([]string{
	datadir.FormatName, datadir.HighwaterName, `CURRENT`, `MANIFEST-\d+`, `\d+\.(ldb|log)`, `positions? \d+`, `stream "`,
}, "|"))

// refusal checks the error with which a store was refused.
func refusal(dir string, err error) error {
	switch {
	case !errors.Is(err, store.ErrDamaged) && !errors.Is(err, ErrFormat):
		return fmt.Errorf("another error: %w", err)
	case !namesDamage.MatchString(strings.ReplaceAll(err.Error(), dir, "")):
		return fmt.Errorf("it does not say what is damaged: %w", err)
	}
	return nil
}

// reported checks that Verify reports the damage of a store that was refused.
func reported(ctx context.Context, dir string, refusal error) error {
	r, err := repair.Verify(ctx, dir, nil)
	if errors.Is(err, ErrFormat) || err == nil && r.Damaged > 0 {
		return nil
	}
	return fmt.Errorf("%w, but verify tells %v, %v", refusal, r, err)
}

// unlike says how a directory differs from the files it had before the store was
// refused.
func unlike(files map[string][]byte, dir string, refusal error) error {
	now, err := filesOf(dir)
	if err != nil || maps.EqualFunc(now, files, bytes.Equal) {
		return err
	}
	var changed []string
	for path, b := range files {
		if have, ok := now[path]; !ok || !bytes.Equal(have, b) {
			changed = append(changed, path)
		}
		delete(now, path)
	}
	return fmt.Errorf("%w, but it changed %q and made %q", refusal, changed, slices.Collect(maps.Keys(now)))
}

// opened checks what an open store answers, closes it, and then checks the same
// again.
func (c corruption) opened(ctx context.Context, dir string, d *DB) (outcome string, err error) {
	position := d.Info().LastPosition
	want, ok := c.holds[position]
	if !ok || position < c.least || position < c.last && c.file() != ".log" {
		return outcomeShorter, errors.Join(fmt.Errorf("it ends with position %d rather than %d, at least %d", position, c.last, c.least), d.Close())
	}
	want.events = slices.Clone(want.events)
	first := compare(ctx, d, &want)
	first.count()
	wrong := first.wrong
	if err := d.Close(); err != nil && (len(first.damaged) == 0 || !errors.Is(err, store.ErrDamaged)) {
		wrong = append(wrong, fmt.Errorf("close: %w", err))
	}
	d, err = Open(dir, Options{})
	if err != nil {
		return outcomeTelling, errors.Join(append(wrong, fmt.Errorf("opened again: %w", err))...)
	}
	second := compare(ctx, d, &want)
	wrong = append(wrong, second.wrong...)
	if err := d.Close(); err != nil && (len(second.damaged) == 0 || !errors.Is(err, store.ErrDamaged)) {
		wrong = append(wrong, fmt.Errorf("close again: %w", err))
	}
	report, err := repair.Verify(ctx, dir, nil)
	if err != nil {
		wrong = append(wrong, fmt.Errorf("verify: %w", err))
	}
	damaged := slices.Concat(first.damaged, second.damaged)
	if report.Damaged == 0 && len(damaged) > 0 {
		wrong = append(wrong, fmt.Errorf("verify finds nothing, but %w", damaged[0]))
	}
	switch {
	case report.Damaged > 0 || len(damaged) > 0:
		outcome = outcomeTelling
	case position < c.last:
		outcome = outcomeShorter
	case len(keptDirs(dir)) > 0:
		outcome = outcomeRepaired
	default:
		outcome = outcomeWhole
	}
	return outcome, errors.Join(wrong...)
}

// keptDirs returns the directories in which damaged databases are kept.
func keptDirs(dir string) []string {
	found, err := filepath.Glob(filepath.Join(dir, datadir.DBName+".damaged-*"))
	if err != nil {
		panic(err) // the pattern's
	}
	return found
}

// kept checks that the damaged files still exist. A repaired database is kept as it
// was, except for LevelDB's own log; if damage is only reported, the damaged file
// is still in place.
func (c corruption) kept(dir string, files map[string][]byte, outcome string) (err error) {
	place := func(path string) string { return filepath.Join(dir, path) }
	keeps := func(path string) bool { return path == c.path && outcome == outcomeTelling }
	if found := keptDirs(dir); len(found) > 0 {
		place = func(path string) string { return filepath.Join(found[0], filepath.Base(path)) }
		keeps = func(path string) bool {
			return strings.HasPrefix(path, datadir.DBName+"/") && path != datadir.DBName+"/LOG"
		}
	}
	for path, b := range files {
		if !keeps(path) {
			continue
		}
		if have, failed := os.ReadFile(place(path)); failed != nil || !bytes.Equal(have, b) {
			err = errors.Join(err, fmt.Errorf("%s is not kept as it was: %w", path, cmp.Or(failed, errors.New("it was changed"))))
		}
	}
	return err
}

// An outcomeTable counts outcomes, by kind of file and of damage.
type outcomeTable struct {
	mu    sync.Mutex
	n     map[[3]string]int
	wrong map[[3]string]int
}

func newOutcomeTable() *outcomeTable {
	return &outcomeTable{n: make(map[[3]string]int), wrong: make(map[[3]string]int)}
}

// count counts an outcome, and reports whether to report it: there may be thousands
// of wrong ones.
func (o *outcomeTable) count(c corruption, outcome string, wrong error) (tell bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	key := [3]string{c.file(), c.kind, outcome}
	o.n[key]++
	if wrong != nil {
		o.wrong[key]++
	}
	const most = 5
	return wrong != nil && o.wrong[key] <= most
}

func (o *outcomeTable) String() string {
	files := make(map[string]bool)
	for k := range o.n {
		files[k[0]] = true
	}
	b := new(strings.Builder)
	fmt.Fprintf(b, "%-12s %-12s", "file", "damage")
	for _, outcome := range outcomes {
		fmt.Fprintf(b, " %8s", outcome)
	}
	fmt.Fprintf(b, " %8s", "wrong")
	for _, file := range slices.Sorted(maps.Keys(files)) {
		for _, kind := range damages {
			o.line(b, file, kind)
		}
	}
	return b.String()
}

// line tells of a kind of damage to a kind of file, if there was such.
func (o *outcomeTable) line(b *strings.Builder, file, kind string) {
	counts, total, wrong := "", 0, 0
	for _, outcome := range outcomes {
		key := [3]string{file, kind, outcome}
		counts += fmt.Sprintf(" %8d", o.n[key])
		total += o.n[key]
		wrong += o.wrong[key]
	}
	if total > 0 {
		fmt.Fprintf(b, "\n%-12s %-12s%s %8d", file, kind, counts, wrong)
	}
}
