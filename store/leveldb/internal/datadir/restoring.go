package datadir

import (
	"errors"
	"os"
	"path/filepath"

	"github.com/syndtr/goleveldb/leveldb"

	"gorewind/store"
	"gorewind/store/leveldb/internal/ldb"
)

// restoringName is the directory in which a Restore makes a database. Open refuses
// a store that has it but no database.
const restoringName = "db.restoring"

// sourceName is the file in it that names the source of the restore.
const sourceName = "SOURCE"

// A Restoring is the database that a restore makes in a store's directory. FORMAT
// is written once the database is usable; what a crash left before that is made
// anew.
type Restoring string

func (r Restoring) path() string { return filepath.Join(string(r), restoringName) }

// Lock creates the directory if need be and locks it; closing the file unlocks. It
// must hold no store except one being restored. Errors are those of Probe.
func (r Restoring) Lock() (*os.File, error) {
	dir := string(r)
	if err := Probe(dir); err != nil && !errors.Is(err, ErrUnfinished) {
		return nil, err
	}
	if _, err := os.Stat(filepath.Join(dir, DBName)); !errors.Is(err, os.ErrNotExist) {
		return nil, errors.Join(ErrNotEmpty, err)
	}
	if err := os.MkdirAll(dir, dirMode); err != nil {
		return nil, err
	}
	return lockFile(dir)
}

// Begun reports whether a restore from the same source was begun, and returns its
// identity.
func (r Restoring) Begun(source string) (id store.Identity, ok bool, err error) {
	of, err := os.ReadFile(filepath.Join(r.path(), sourceName))
	if err == nil && string(of) == source {
		var text []byte
		path := filepath.Join(r.path(), FormatName)
		if text, err = os.ReadFile(path); err == nil {
			id, err = parseIdentity(string(text), path)
			return id, err == nil, err
		}
	}
	if errors.Is(err, os.ErrNotExist) {
		err = nil
	}
	return id, false, err
}

// Make makes an empty database for a source.
func (r Restoring) Make(id store.Identity, source string) error {
	if err := os.RemoveAll(r.path()); err != nil {
		return err
	}
	if err := os.Mkdir(r.path(), dirMode); err != nil {
		return err
	}
	if err := makeDatabase(r.path()); err != nil {
		return err
	}
	if err := writeSynced(filepath.Join(r.path(), sourceName), source); err != nil {
		return err
	}
	path := filepath.Join(r.path(), FormatName)
	if err := writeSynced(path+".new", identityText(id)); err != nil {
		return err
	}
	if err := os.Rename(path+".new", path); err != nil {
		return err
	}
	return errors.Join(syncDir(r.path()), syncDir(string(r)))
}

// Open opens the database for writing.
func (r Restoring) Open() (*leveldb.DB, *ldb.Guard, error) { return openPath(r.path()) }

// Finish turns the database, which must be closed, into the store's database. Its
// log ends at last.
func (r Restoring) Finish(id store.Identity, last Highwater) error {
	on := Dir(r)
	if err := RewriteHighwater(on, last); err != nil {
		return err
	}
	if err := on.KeepIdentity(id, false); err != nil {
		return err
	}
	if err := os.Remove(filepath.Join(r.path(), sourceName)); err != nil {
		return err
	}
	if err := r.syncFiles(); err != nil {
		return err
	}
	if err := os.Rename(r.path(), on.Database()); err != nil {
		return err
	}
	return errors.Join(syncDir(string(r)), syncDir(filepath.Dir(filepath.Clean(string(r)))))
}

// syncFiles syncs every file of the database. LevelDB closes a full journal without
// a sync, and may not have made a table from it yet.
func (r Restoring) syncFiles() error {
	entries, err := os.ReadDir(r.path())
	if err != nil {
		return err
	}
	for _, e := range entries {
		f, err := os.Open(filepath.Join(r.path(), e.Name()))
		if err == nil {
			err = errors.Join(f.Sync(), f.Close())
		}
		if err != nil {
			return err
		}
	}
	return syncDir(r.path())
}
