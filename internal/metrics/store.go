package metrics

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"gorewind/store/leveldb"
)

var (
	storeInfo = gauge("store_info", "1; its labels say which store this is.", "id", "generation")
	writable  = gauge("store_writable", "1 if the store takes writes, 0 if it can only be read.")
	position  = gauge("store_position", "The last position that was given.")
	erasing   = gauge("store_erasing", "Events and ranges of them that were replaced or deleted and may still be in files.")
	diskFree  = gauge("disk_free_bytes", "Octets that the disk has for the store.")

	commits  = gauge("commit_duration_seconds", "From a commit's first request to its end.")
	syncs    = gauge("fsync_duration_seconds", "The sync of a commit's journal.")
	batches  = gauge("commit_events", "Events of a commit.")
	underWay = gauge("commit_pending_seconds", "How long the commit that is being written has taken so far.")

	delays  = counter("write_delays_total", "Commits that waited for compactions.")
	delayed = counter("write_delay_seconds_total", "How long they waited.")

	tables      = gauge("leveldb_tables", "Table files, by level.", "level")
	tableBytes  = gauge("leveldb_table_bytes", "Octets of table files, by level.", "level")
	paused      = gauge("leveldb_write_paused", "1 while LevelDB takes no writes until it has compacted.")
	compactions = counter("leveldb_compactions_total", "Compactions, by what they were of.", "of")
	fileRead    = counter("leveldb_read_bytes_total", "Octets that LevelDB read from files.")
	fileWritten = counter("leveldb_written_bytes_total", "Octets that LevelDB wrote to files, those of compactions among them.")
)

func storeShapes() []shape {
	return []shape{
		storeInfo, writable, position, erasing, diskFree, commits, syncs, batches, underWay, delays, delayed,
		tables, tableBytes, paused, compactions, fileRead, fileWritten,
		consumerEvents, consumerPositions, consumersLeftOut, cursorsLeftOut,
	}
}

func (s sink) store(st Store) {
	info, now := st.Info(), st.Stats()
	s.put(storeInfo, 1, info.ID, strconv.FormatUint(info.Generation, 10))
	s.put(writable, flag(now.Refusal == ""))
	s.put(position, float64(info.LastPosition))
	s.put(erasing, float64(info.Erasing))
	if now.Free >= 0 {
		s.put(diskFree, float64(now.Free))
	}
	s.histogram(commits, now.Commits)
	s.histogram(syncs, now.Syncs)
	s.histogram(batches, now.Events)
	s.put(underWay, now.Writing.Seconds())
	s.put(delays, float64(now.Delays))
	s.put(delayed, now.Delayed.Seconds())
	if l := now.LevelDB; l != nil {
		s.leveldb(l)
	}
}

func (s sink) leveldb(l *leveldb.LevelDBStats) {
	for i, level := range l.Levels {
		s.put(tables, float64(level.Tables), strconv.Itoa(i))
		s.put(tableBytes, float64(level.Bytes), strconv.Itoa(i))
	}
	s.put(paused, flag(l.Paused))
	for of, n := range l.Compactions {
		s.put(compactions, float64(n), of)
	}
	s.put(fileRead, float64(l.Read))
	s.put(fileWritten, float64(l.Written))
}

// histogram counts what is below each bound, as Prometheus has it.
func (s sink) histogram(m shape, h leveldb.Histogram) {
	below, sum := make(map[float64]uint64, len(h.Bounds)), uint64(0)
	for i, n := range h.Counts {
		if sum += n; i < len(h.Bounds) {
			below[h.Bounds[i]] = sum
		}
	}
	s <- prometheus.MustNewConstHistogram(m.desc, sum, h.Sum, below)
}

func flag(on bool) float64 {
	if on {
		return 1
	}
	return 0
}
