package metrics

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"gorewind/store/leveldb"
)

var (
	storeInfo = gauge("store_info", "Always 1; the labels tell the id and the generation of the store.", "id", "generation")
	writable  = gauge("store_writable", "1 if the store accepts writes, 0 if it is read-only because the disk is full or has failed.")
	position  = gauge("store_position", "Last position in the store.")
	erasing   = gauge("store_erasing", "Replaced or deleted events, and ranges of events, whose data may still be on disk.")
	diskFree  = gauge("disk_free_bytes", "Bytes free on the disk of the data directory.")

	commits  = gauge("commit_duration_seconds", "Seconds that a commit took, from its first request until it was on disk.")
	syncs    = gauge("fsync_duration_seconds", "Seconds that syncing the journal of a commit took.")
	batches  = gauge("commit_events", "Events in a commit.")
	underWay = gauge("commit_pending_seconds", "Seconds that the commit being written has taken so far; 0 if there is none.")

	delays  = counter("write_delays_total", "Commits that waited for compactions.")
	delayed = counter("write_delay_seconds_total", "Seconds that commits waited for compactions.")

	tables      = gauge("leveldb_tables", "Table files of LevelDB, by level.", "level")
	tableBytes  = gauge("leveldb_table_bytes", "Bytes of LevelDB's table files, by level.", "level")
	paused      = gauge("leveldb_write_paused", "1 while LevelDB accepts no writes until a compaction has finished, 0 otherwise.")
	compactions = counter("leveldb_compactions_total", "Compactions of LevelDB, by kind.", "of")
	fileRead    = counter("leveldb_read_bytes_total", "Bytes that LevelDB read from files.")
	fileWritten = counter("leveldb_written_bytes_total", "Bytes that LevelDB wrote to files, including compactions.")
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

// histogram converts a histogram to Prometheus' cumulative counts.
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
