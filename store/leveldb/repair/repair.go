// Package repair verifies stores and repairs them. It imports the packages that
// read databases and directories, but not the engine. The engine calls it when it
// opens a damaged database.
//
// A damaged database is repaired on an overlay: no byte of it changes before the
// outcome is known. The strategies are tried in turn, each on an overlay of its
// own:
//
//	open it as it is
//	   │ something would be lost, or LevelDB refuses it
//	open it despite damage in its manifest
//	   │ the same
//	rebuild its tables without their damaged blocks, and the manifest from the tables
//
// The steps of each strategy, from top to bottom. Once nothing is damaged,
// everything but the last step is skipped:
//
//	check      the commits reach as far as the high-water file says, and none is
//	   │       missing; if not, the next strategy follows at once, if there is one
//	suspects   report what the damaged blocks may have held (suspects.go)
//	   │
//	verify     everything agrees (verify*.go)
//	   │ damage
//	rebuild    rebuild what only repeats the commits: stream records and names,
//	   │       cursors, request records, erasure records (rebuild_index.go)
//	verify     again: what is still damaged would be lost
//	   │ no strategy is left, and the loss is accepted
//	with loss  mark lost events and commits; ids, positions and the chain
//	   │       continue as they were (rebuild_loss.go)
//	verify     once more
//	   │ nothing is damaged
//	replace    the overlay replaces the damaged database, which is kept
//
// If the loss is not accepted, the report of the best strategy says what would be
// lost, and nothing changes.
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

// Options of Run.
type Options struct {
	// AcceptLoss allows a repair that loses data.
	AcceptLoss bool
	// All makes reports list every piece of damage.
	All bool
	// Progress is called now and then with the step under way, how much of it is
	// done, and out of how much: in events if what is Verifying, otherwise in
	// tables. Default: nothing.
	Progress func(what string, done, of int)
}

// Verifying is the step that checks the repaired database.
const Verifying = "verifying"

// A Result is the outcome of Run.
type Result struct {
	Found  Report // the store as it was
	Left   Report // the best that can be recovered; its damage is what would be lost
	KeptAt string // where the damaged database was moved; empty: nothing changed
}

// Run repairs the store in dir, which must not be open. It leaves a store that is
// whole as it is. If a repair would lose data, Run changes nothing unless the loss
// is accepted. After an accepted loss, reading a lost event is an ErrDamaged, its
// id and position are not given again as far as they are known, and the store has a
// new generation. Run keeps the damaged database beside the new one. Errors are
// those of Verify.
func Run(ctx context.Context, dir string, o Options) (Result, error) {
	done, err := repairDirectory(ctx, dir, o)
	if err != nil {
		return done, fmt.Errorf("repair store %s: %w", dir, err)
	}
	return done, nil
}

func repairDirectory(ctx context.Context, dir string, o Options) (done Result, err error) {
	if _, err := os.Stat(dir); err != nil {
		return done, datadir.Missing(dir, err) // create nothing
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
	done.KeptAt, err = r.run()
	done.Left = r.left
	return done, err
}

// Lossless repairs the database of a store that is being opened, and returns where
// it moved the damaged one. If the repair would lose data, keptAt is empty and left
// lists what would be lost. least is how far the commits reach; progress is that of
// Options. It is for the engine.
func Lossless(on datadir.Disk, id store.Identity, least datadir.Highwater, progress func(what string, done, of int)) (keptAt string, left Report, err error) {
	r := &repair{ctx: context.Background(), on: on, id: id, least: least, options: Options{Progress: progress}}
	keptAt, err = r.run()
	return keptAt, r.left, err
}

// A repair is one run of Run or Lossless.
type repair struct {
	ctx     context.Context
	on      datadir.Disk
	id      store.Identity
	copied  bool // only the copy of id is intact
	least   datadir.Highwater
	blind   bool // the high-water file is unreadable
	options Options
	left    Report     // the best that can be recovered
	end     record.Tip // of the log, after a repair with loss
	tried   bool       // left is set
	missing bool       // tables are missing
	holes   []ldb.Hole // left by the present strategy
}

// A strategy is a way to open a damaged database.
type strategy struct {
	name   string
	strict opt.Strict // checks that LevelDB is to skip
	open   func(*repair, storage.Storage, *opt.Options) (*leveldb.DB, error)
}

var strategies = []strategy{
	{"opening the database as it is", 0, (*repair).open},
	{"opening the database despite its manifest", opt.StrictManifest, (*repair).open},
	{"rebuilding the manifest from the tables", opt.StrictManifest, (*repair).rebuildManifest},
}

func (*repair) open(files storage.Storage, o *opt.Options) (*leveldb.DB, error) {
	return leveldb.Open(files, o)
}

// readHighwater reads the high-water file.
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
	err = r.with(strategies[0], func(db *leveldb.DB, _ *ldb.Overlay) error {
		report, err = r.verify(db)
		return err
	})
	if errors.Is(err, store.ErrDamaged) {
		report.addDamage(Damage{What: err.Error()})
		err = nil
	}
	if r.copied {
		report.addDamage(Damage{What: datadir.DamagedIdentity})
	}
	if r.blind {
		report.addDamage(Damage{What: fmt.Sprintf("the file %s is missing or unreadable: cannot tell whether the end of the log is lost", datadir.HighwaterName)})
	}
	return report, err
}

// run tries the strategies. It returns where the damaged database was moved, or an
// empty string if the repair would lose data and that is not accepted.
func (r *repair) run() (keptAt string, err error) {
	for i, strategy := range strategies {
		last := i == len(strategies)-1
		err = r.with(strategy, func(db *leveldb.DB, o *ldb.Overlay) error {
			whole, err := r.try(db, last)
			if whole && err == nil {
				err = db.Close()
			}
			if whole && err == nil {
				keptAt, err = r.replace(o)
			}
			return err
		})
		if keptAt != "" || err != nil && !errors.Is(err, store.ErrDamaged) {
			return keptAt, err
		}
	}
	if r.tried && !r.options.AcceptLoss {
		return "", nil
	}
	return "", err
}

// with opens the database by a strategy, on an overlay, and calls f with it.
func (r *repair) with(m strategy, f func(*leveldb.DB, *ldb.Overlay) error) error {
	files, err := r.on.Files(true)
	if err != nil {
		return err
	}
	tables, err := files.List(storage.TypeTable)
	if err != nil {
		return errors.Join(err, files.Close())
	}
	if r.options.AcceptLoss {
		files = ldb.ZeroFilled{Storage: files}
	}
	o := ldb.NewOverlay(files, func(n int) { r.progress(m.name, n, len(tables)) })
	settings := ldb.OverlaySettings()
	settings.Strict &^= m.strict
	r.holes = nil
	db, g, err := ldb.OpenWith(o, nil, settings, func(files storage.Storage, o *opt.Options) (*leveldb.DB, error) {
		return m.open(r, files, o)
	})
	var corrupted *ldberrors.ErrCorrupted
	if m.strict == 0 && errors.As(err, &corrupted) { // a damaged manifest may name tables that were removed
		var missing *ldberrors.ErrMissingFiles
		r.missing = r.missing || errors.As(corrupted.Err, &missing)
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

// try repairs a database, and reports whether it is whole then, or as whole as is
// accepted. If commits are missing, try gives up early unless this is the last
// strategy.
func (r *repair) try(db *leveldb.DB, last bool) (whole bool, err error) {
	if _, err := logscan.Check(db, r.least); err != nil && !last {
		return false, err
	}
	suspects, err := r.findSuspects(db)
	if err != nil {
		return false, err
	}
	report, err := r.verifyRebuilt(db)
	if err != nil {
		return false, err
	}
	r.tellBesides(db, &report, suspects)
	if !r.tried || last || report.Damaged < r.left.Damaged { // the last report counts: it is what a repair with loss works on
		r.left, r.tried = report, true
	}
	if report.Damaged == 0 || !last || !r.options.AcceptLoss {
		return report.Damaged == 0, nil
	}
	err = r.rebuildWithLoss(db)
	return err == nil, err
}

// verifyRebuilt verifies a database, and rebuilds its index first if it is damaged.
func (r *repair) verifyRebuilt(db *leveldb.DB) (Report, error) {
	report, err := r.verify(db)
	if err != nil || report.Damaged == 0 {
		return report, err
	}
	switch err := rebuildIndex(r.ctx, db, r.least); {
	case err == nil:
		return r.verify(db)
	case !errors.Is(err, store.ErrDamaged):
		return report, err
	}
	return report, nil // too damaged to be rebuilt
}

// tellBesides adds the losses to a report that nothing in the database shows.
func (r *repair) tellBesides(db *leveldb.DB, report *Report, suspects []Damage) {
	if report.broken {
		report.insertDamage(Damage{What: "other effects of the missing commits: they may have replaced or deleted events, moved cursors, or stored request keys"})
	}
	for _, d := range suspects {
		d.Stream, _ = db.Get(record.NameKey(d.number), &leniently)
		report.addDamage(d)
	}
	if r.blind {
		report.addDamage(Damage{What: "events at the end of the store, if there were any: how far it reached is no longer known"})
	}
}

// rebuildWithLoss makes a store of what is left of a database, and verifies it.
func (r *repair) rebuildWithLoss(db *leveldb.DB) (err error) {
	if r.end, err = rebuildWithLoss(r.ctx, db, r.least); err != nil {
		return err
	}
	report, err := r.verify(db)
	if err == nil && report.Damaged > 0 {
		err = fmt.Errorf("%w: it cannot be repaired: %v", store.ErrDamaged, report.Damage[0])
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
func (r *repair) replace(o *ldb.Overlay) (keptAt string, err error) {
	id := r.id
	if r.left.Damaged > 0 {
		id.Generation++
	}
	keptAt, err = r.on.Replace(o, id)
	if err == nil && (r.end.Position > 0 || r.blind) { // the older slot may name a commit that no longer exists
		err = datadir.RewriteHighwater(r.on, datadir.Highwater{Position: r.end.Position, Chain: r.end.Chain})
	}
	return keptAt, err
}
