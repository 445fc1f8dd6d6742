package logscan

import (
	"errors"
	"fmt"
	"io"

	"github.com/syndtr/goleveldb/leveldb"
	"github.com/syndtr/goleveldb/leveldb/journal"
	"github.com/syndtr/goleveldb/leveldb/storage"
	"github.com/syndtr/goleveldb/leveldb/util"

	"gorewind/store/leveldb/internal/ldb"
	"gorewind/store/leveldb/internal/record"
)

// LevelDB skips damaged parts of a journal and goes on behind them. The position in
// the high-water file may well come after such a part. So the chain is checked from
// the last commit that is no longer in a journal.

// FirstInJournals returns the position of the first commit in the journals; 0 if
// there is none.
func FirstInJournals(files storage.Storage) (first uint64, err error) {
	journals, err := files.List(storage.TypeJournal)
	for _, fd := range journals {
		position, err := firstInJournal(files, fd)
		if err != nil {
			return 0, err
		}
		if position > 0 && (first == 0 || position < first) {
			first = position
		}
	}
	return first, err
}

// firstInJournal returns the position of the first readable commit in a journal, or
// 0.
func firstInJournal(files storage.Storage, fd storage.FileDesc) (first uint64, err error) {
	file, err := files.Open(fd)
	if err != nil {
		return 0, err
	}
	written, err := ldb.OpenJournal(file)
	if err != nil {
		return 0, err // and the file is closed
	}
	defer written.Close()
	r := journal.NewReader(written, nil, false, true)
	for first == 0 {
		next, err := r.Next()
		if errors.Is(err, io.EOF) {
			return 0, nil
		}
		if err != nil {
			return 0, err
		}
		b, err := io.ReadAll(next)
		var batch leveldb.Batch
		if err != nil || len(b) < batchHeader || batch.Load(b[batchHeader:]) != nil {
			continue // damaged, or torn
		}
		if err := batch.Replay(firstCommit{&first}); err != nil {
			return 0, err
		}
	}
	return first, nil
}

// batchHeader is the size of the header of a batch in a journal, in bytes.
const batchHeader = 12

// firstCommit records the position of the first commit in a batch.
type firstCommit struct{ position *uint64 }

// Put implements leveldb.BatchReplay.
func (f firstCommit) Put(key, _ []byte) {
	if *f.position == 0 && len(key) == 9 && key[0] == record.KindCommit {
		*f.position = record.KeyNumber(key)
	}
}

// Delete implements leveldb.BatchReplay.
func (firstCommit) Delete([]byte) {}

// CheckChain verifies that no commit is missing from the one before a position on.
func CheckChain(db *leveldb.DB, position uint64) error {
	it := db.NewIterator(util.BytesPrefix([]byte{record.KindCommit}), nil)
	var before record.Commit
	found := it.Seek(record.CommitKey(position))
	if found {
		found = it.Prev()
	} else {
		found = it.Last()
	}
	var err error
	if found {
		err = before.Parse(it.Key(), it.Value())
	}
	err = errors.Join(err, it.Error())
	it.Release()
	if err != nil {
		return ldb.Fault(fmt.Sprintf("commits before position %d", position), err)
	}
	_, err = Follow(db, before.Tip(), func(*record.Commit) {})
	return err
}
