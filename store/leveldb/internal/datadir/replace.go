package datadir

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/syndtr/goleveldb/leveldb/storage"

	"gorewind/store"
	"gorewind/store/leveldb/internal/ldb"
)

// keptName begins the name of a database that a repair has replaced.
const keptName = "db.damaged-"

// Replace implements Disk. It makes the new database in db.new from hard links to
// the tables that stay and copies of the other files, so that no byte of the old
// database changes. Two renames put it in place; FinishReplace completes them after
// a crash.
func (d Dir) Replace(o *ldb.Overlay, id store.Identity) (keptAt string, err error) {
	making := filepath.Join(string(d), newDBName)
	if err := os.RemoveAll(making); err != nil {
		return "", err
	}
	if err := d.lay(o, making, id); err != nil {
		return "", errors.Join(err, os.RemoveAll(making))
	}
	for n := 1; err == nil; n++ {
		keptAt = filepath.Join(string(d), fmt.Sprint(keptName, n))
		_, err = os.Lstat(keptAt)
	}
	if !errors.Is(err, os.ErrNotExist) {
		return "", errors.Join(err, os.RemoveAll(making))
	}
	if err := os.Rename(d.Database(), keptAt); err != nil {
		return "", errors.Join(err, os.RemoveAll(making))
	}
	if err := os.Rename(making, d.Database()); err != nil {
		return "", errors.Join(err, os.Rename(keptAt, d.Database()))
	}
	return keptAt, syncDir(string(d))
}

// FinishReplace completes a replace if a crash left only the first rename; then
// there is no database.
func (d Dir) FinishReplace() error {
	if _, err := os.Stat(d.Database()); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	kept, err := filepath.Glob(filepath.Join(string(d), keptName+"*"))
	if err != nil || len(kept) == 0 {
		return err
	}
	making := filepath.Join(string(d), newDBName)
	if text, err := os.ReadFile(filepath.Join(making, FormatName)); err != nil || !hasChecksum(string(text)) {
		return nil // FORMAT is written last
	}
	return errors.Join(os.Rename(making, d.Database()), syncDir(string(d)))
}

// RemoveLeft removes what a killed repair was making. It holds links to tables,
// which may contain data that is to be purged.
func (d Dir) RemoveLeft() error { return os.RemoveAll(filepath.Join(string(d), newDBName)) }

// lay writes the files of an overlay into a new directory.
func (d Dir) lay(o *ldb.Overlay, dir string, id store.Identity) error {
	if err := os.Mkdir(dir, dirMode); err != nil {
		return err
	}
	files, err := o.List(storage.TypeAll)
	if err != nil {
		return err
	}
	for _, fd := range files {
		path := filepath.Join(dir, fd.String())
		if fd.Type == storage.TypeTable && !o.Holds(fd) && os.Link(d.table(fd), path) == nil {
			continue
		}
		if err := copySynced(path, func() (storage.Reader, error) { return o.Open(fd) }); err != nil {
			return err
		}
	}
	current, err := o.GetMeta()
	if err == nil {
		err = writeSynced(filepath.Join(dir, "CURRENT"), current.String()+"\n")
	}
	if err == nil {
		err = writeSynced(filepath.Join(dir, FormatName), identityText(id))
	}
	if err == nil {
		err = d.hand(dir)
	}
	return errors.Join(err, syncDir(dir))
}

// hand gives a directory and its files to the owner of the database: a superuser
// may repair somebody else's store.
func (d Dir) hand(dir string) error {
	var owner, me syscall.Stat_t
	if err := errors.Join(syscall.Stat(d.Database(), &owner), syscall.Stat(dir, &me)); err != nil || owner.Uid == me.Uid && owner.Gid == me.Gid {
		return err
	}
	return filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		return errors.Join(err, os.Lchown(path, int(owner.Uid), int(owner.Gid)))
	})
}

// table returns the path of a table, which had another suffix long ago.
func (d Dir) table(fd storage.FileDesc) string {
	path := filepath.Join(d.Database(), fd.String())
	if _, err := os.Lstat(path); err != nil {
		return strings.TrimSuffix(path, ".ldb") + ".sst"
	}
	return path
}

// copySynced copies what open opens to a new file.
func copySynced(path string, open func() (storage.Reader, error)) error {
	r, err := open()
	if err != nil {
		return err
	}
	defer r.Close()
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	if _, err := io.Copy(f, r); err != nil {
		return errors.Join(err, f.Close())
	}
	return errors.Join(f.Sync(), f.Close())
}
