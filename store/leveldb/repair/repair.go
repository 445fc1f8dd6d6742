// Package repair says whether a store is whole, and makes it whole again. It stands on what
// reads databases and directories, and not on the engine, which calls it for a database that
// is damaged when it is opened.
//
// A damaged database is repaired on an overlay, so that not a byte of it is
// touched before it is known what comes of it. The remedies are tried in turn, each
// on an overlay of its own:
//
//	open it as it is
//	   │ something would be lost, or LevelDB refuses it
//	open it in spite of what is damaged in its manifest
//	   │ the same
//	make its tables anew without their damaged blocks, and a manifest from the tables
//
// What is done with each, from top to bottom. As soon as nothing is damaged, the rest but
// the last step is left out:
//
//	check    that the commits reach as far as the high-water file tells, and none is
//	   │     missing; if not, the next remedy is taken at once, while there is one
//	doubt    what the damaged blocks may have had is told (doubt.go)
//	   │
//	verify   that all that is there agrees (verify*.go)
//	   │ damage
//	mend     what only repeats the commits is made anew: streams' records and names,
//	   │     cursors, requests with a key, records of erasures (mend.go)
//	verify   again: what is damaged now would be lost
//	   │ no other remedy is left, and the loss is accepted
//	settle   lost events and commits are marked as such, and ids, positions and the
//	   │     chain go on as they were (settle.go)
//	verify   once more
//	   │ nothing is damaged
//	replace  the overlay takes the place of the damaged database, which is kept
//
// Where a loss is not accepted, the report of the best remedy says what would be lost, and
// nothing is changed.
package repair

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/syndtr/goleveldb/leveldb"
	ldberrors "github.com/syndtr/goleveldb/leveldb/errors"
	"github.com/syndtr/goleveldb/leveldb/opt"
	"github.com/syndtr/goleveldb/leveldb/storage"

	"gorewind/store"
	"gorewind/store/leveldb/internal/datadir"
	"gorewind/store/leveldb/internal/ldb"
	"gorewind/store/leveldb/internal/logscan"
	"gorewind/store/leveldb/internal/record"
)

// Options are what Run may do and whom it tells.
type Options struct {
	// AcceptLoss has it make a store without what is lost.
	AcceptLoss bool
	// All has its reports tell every piece of damage.
	All bool
	// Progress is called now and then with what is being done, how much of it has
	// been, and of how much: of events when that is Verifying, otherwise of tables.
	// Default: nobody.
	Progress func(what string, done, of int)
}

// Verifying is what a repair does with what it has mended.
const Verifying = "verifying"

// A Result is what came of a Run.
type Result struct {
	Found Report // of the store as it was
	Left  Report // of what can be had; its damage is what is lost
	Aside string // where the damaged database was put; empty: nothing was changed
}

// Run repairs the store in dir, which must not be open. A store that is whole
// is left as it is. Where something would be lost it changes nothing either,
// unless that is accepted: then events that are lost stay so, reading them is an
// ErrDamaged, their ids and positions are not given again, as far as they are
// known, and the store has a new generation. The damaged database is kept beside
// the new one. Errors are those of Verify.
func Run(ctx context.Context, dir string, o Options) (Result, error) {
	done, err := repairDirectory(ctx, dir, o)
	if err != nil {
		return done, fmt.Errorf("repair store %s: %w", dir, err)
	}
	return done, nil
}

func repairDirectory(ctx context.Context, dir string, o Options) (done Result, err error) {
	if _, err := os.Stat(dir); err != nil {
		return done, err // and nothing is made
	}
	lock, err := datadir.Lock(dir)
	if err != nil {
		return done, err
	}
	defer lock.Close()
	on := datadir.Dir(dir)
	if err := on.FinishReplace(); err != nil {
		return done, err
	}
	if _, err := os.Stat(on.Database()); err != nil {
		return done, datadir.Missing(dir, err)
	}
	r := &repair{ctx: ctx, on: on, options: o}
	if r.id, r.copied, err = datadir.ReadIdentity(on); err != nil {
		return done, err
	}
	if err := r.readHighwater(); err != nil {
		return done, err
	}
	if done.Found, err = r.inspect(); err != nil || done.Found.Damaged == 0 {
		return done, err
	}
	done.Aside, err = r.run()
	done.Left = r.left
	return done, err
}

// Lossless repairs the database of a store that is being opened, whose commits reach as
// far as least, if nothing is missing then, and returns where the damaged one was put.
// Otherwise aside is empty, and left says what would be. progress is that of Options.
// It is for the engine.
func Lossless(on datadir.Disk, id store.Identity, least datadir.Highwater, progress func(what string, done, of int)) (aside string, left Report, err error) {
	r := &repair{ctx: context.Background(), on: on, id: id, least: least, options: Options{Progress: progress}}
	aside, err = r.run()
	return aside, r.left, err
}

// A repair is under way.
type repair struct {
	ctx     context.Context
	on      datadir.Disk
	id      store.Identity
	copied  bool // id is only in the copy
	least   datadir.Highwater
	blind   bool // the high-water file tells nothing
	options Options
	left    Report     // of the best that could be had
	end     record.Tip // of the log that was settled
	tried   bool       // left is set
	missing bool       // tables are
	holes   []ldb.Hole // by the remedy
}

// A remedy is a way to open a damaged database.
type remedy struct {
	name   string
	strict opt.Strict // what LevelDB is not to be strict about
	open   func(*repair, storage.Storage, *opt.Options) (*leveldb.DB, error)
}

var remedies = []remedy{
	{"reading it as it is", 0, (*repair).open},
	{"reading it in spite of its manifest", opt.StrictManifest, (*repair).open},
	{"making a manifest from its tables", opt.StrictManifest, (*repair).recoverDatabase},
}

func (*repair) open(files storage.Storage, o *opt.Options) (*leveldb.DB, error) {
	return leveldb.Open(files, o)
}

// readHighwater sets what the high-water file tells.
func (r *repair) readHighwater() error {
	high, err := datadir.OpenHighwater(r.on, false)
	if errors.Is(err, store.ErrDamaged) {
		r.blind = true
		return nil
	}
	if err != nil {
		return err
	}
	r.least = high.Last
	return high.Close()
}

// inspect verifies the database as it is.
func (r *repair) inspect() (report Report, err error) {
	report.all = r.options.All
	err = r.with(remedies[0], func(db *leveldb.DB, _ *ldb.Overlay) error {
		report, err = r.verify(db)
		return err
	})
	if errors.Is(err, store.ErrDamaged) {
		report.add(Damage{What: err.Error()})
		err = nil
	}
	if r.copied {
		report.add(Damage{What: datadir.DamagedIdentity})
	}
	if r.blind {
		report.add(Damage{What: fmt.Sprintf("the file %s is missing or unreadable, so nobody can tell whether the end is lost", datadir.HighwaterName)})
	}
	return report, err
}

// run tries the remedies. It returns where the damaged database was put, or an
// empty string when something would be lost and that is not accepted.
func (r *repair) run() (aside string, err error) {
	for i, remedy := range remedies {
		last := i == len(remedies)-1
		err = r.with(remedy, func(db *leveldb.DB, o *ldb.Overlay) error {
			whole, err := r.treat(db, last)
			if whole && err == nil {
				err = db.Close()
			}
			if whole && err == nil {
				aside, err = r.replace(o)
			}
			return err
		})
		if aside != "" || err != nil && !errors.Is(err, store.ErrDamaged) {
			return aside, err
		}
	}
	if r.tried && !r.options.AcceptLoss {
		return "", nil
	}
	return "", err
}

// with calls f with the database opened by a remedy, on an overlay.
func (r *repair) with(m remedy, f func(*leveldb.DB, *ldb.Overlay) error) error {
	files, err := r.on.Files(true)
	if err != nil {
		return err
	}
	tables, err := files.List(storage.TypeTable)
	if err != nil {
		return errors.Join(err, files.Close())
	}
	if r.options.AcceptLoss {
		files = ldb.Blanked{Storage: files}
	}
	o := ldb.NewOverlay(files, func(n int) { r.progress(m.name, n, len(tables)) })
	settings := ldb.OverlaySettings()
	settings.Strict &^= m.strict
	r.holes = nil
	db, g, err := ldb.OpenWith(o, nil, settings, func(files storage.Storage, o *opt.Options) (*leveldb.DB, error) {
		return m.open(r, files, o)
	})
	var corrupted *ldberrors.ErrCorrupted
	if m.strict == 0 && errors.As(err, &corrupted) { // a manifest that is damaged may tell of tables that were removed
		_, missing := corrupted.Err.(*ldberrors.ErrMissingFiles)
		r.missing = r.missing || missing
	}
	if err != nil {
		return err
	}
	err = f(db, o)
	if closed := db.Close(); !errors.Is(closed, leveldb.ErrClosed) {
		err = errors.Join(err, closed)
	}
	return errors.Join(err, g.Close())
}

func (r *repair) progress(what string, done, of int) {
	if r.options.Progress != nil {
		r.options.Progress(what, done, of)
	}
}

// treat mends a database, and reports whether it is whole then, or as whole as is
// accepted. Without its log it is not whole, and only verified if there is no
// other remedy left.
func (r *repair) treat(db *leveldb.DB, last bool) (whole bool, err error) {
	if _, err := logscan.Check(db, r.least); err != nil && !last {
		return false, err
	}
	doubts, err := r.doubt(db)
	if err != nil {
		return false, err
	}
	report, err := r.verifyMended(db)
	if err != nil {
		return false, err
	}
	r.tellBesides(db, &report, doubts)
	if !r.tried || last || report.Damaged < r.left.Damaged { // the last one is what is settled
		r.left, r.tried = report, true
	}
	if report.Damaged == 0 || !last || !r.options.AcceptLoss {
		return report.Damaged == 0, nil
	}
	err = r.settle(db)
	return err == nil, err
}

// verifyMended verifies a database, as it is after it was mended if that is of use.
func (r *repair) verifyMended(db *leveldb.DB) (Report, error) {
	report, err := r.verify(db)
	if err != nil || report.Damaged == 0 {
		return report, err
	}
	switch err := mend(r.ctx, db, r.least); {
	case err == nil:
		return r.verify(db)
	case !errors.Is(err, store.ErrDamaged):
		return report, err
	}
	return report, nil // it cannot be read well enough
}

// tellBesides adds to a report what nothing in the database tells.
func (r *repair) tellBesides(db *leveldb.DB, report *Report, doubts []Damage) {
	if report.broken {
		report.begin(Damage{What: "what the missing commits did besides: they may have replaced or deleted events, moved cursors, or had keys"})
	}
	for _, d := range doubts {
		d.Stream, _ = db.Get(record.NameKey(d.number), &leniently)
		report.add(d)
	}
	if r.blind {
		report.add(Damage{What: "events at the end of the store, if there were any: nothing tells any more how far it reached"})
	}
}

// settle makes a store of what is left of a database, and verifies it.
func (r *repair) settle(db *leveldb.DB) (err error) {
	if r.end, err = settle(r.ctx, db, r.least); err != nil {
		return err
	}
	settled, err := r.verify(db)
	if err == nil && settled.Damaged > 0 {
		err = fmt.Errorf("%w: it cannot be repaired: %v", store.ErrDamaged, settled.Damage[0])
	}
	return err
}

// verify verifies all of a database.
func (r *repair) verify(db *leveldb.DB) (Report, error) {
	v := newVerifier(r.ctx, func(done, of int) { r.progress(Verifying, done, of) })
	v.db = db
	v.report.all = r.options.All
	if r.least.Position > 0 {
		v.reach[r.least.Position] = r.least.Chain
	}
	err := v.all()
	return v.report, err
}

// replace puts a repaired database in the place of the damaged one.
func (r *repair) replace(o *ldb.Overlay) (aside string, err error) {
	id := r.id
	if r.left.Damaged > 0 {
		id.Generation++
	}
	aside, err = r.on.Replace(o, id)
	if err == nil && (r.end.Position > 0 || r.blind) { // its older half may tell a commit that is not there
		err = datadir.RewriteHighwater(r.on, datadir.Highwater{Position: r.end.Position, Chain: r.end.Chain})
	}
	return aside, err
}
