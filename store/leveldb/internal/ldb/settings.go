package ldb

import "github.com/syndtr/goleveldb/leveldb/opt"

// WriteBuffer is how many bytes LevelDB keeps in memory before it writes them to a
// table.
const WriteBuffer = 16 << 20

// Settings are the settings of LevelDB. Figures are events/s of 100 random bytes on
// two CPUs shared with the clients: to one stream (about 780,000), to 100 streams
// in turn until there are 24 million events, and to random streams out of a
// million.
var Settings = opt.Options{
	// Refuse a damaged manifest rather than take it for an empty database. A torn
	// journal tail is ordinary after a power cut, so StrictJournal is not set.
	Strict: opt.DefaultStrict | opt.StrictManifest,
	// Larger than the largest commit, 8 MiB of data and its overhead, which would
	// otherwise bypass the journal. With 10 MiB one stream is a tenth slower, and a
	// million streams see pauses of 220 ms rather than 100. With 32 MiB nothing is
	// faster, and 80 MiB more are resident.
	WriteBuffer:                  WriteBuffer,
	DisableLargeBatchTransaction: true,
	NoWriteMerge:                 true, // there is one writer
	// Reading takes 70 ns per event; 107 with 4 KiB, 66 with 32.
	BlockSize: 16 << 10,
	// Neither replays nor counters are faster with 32 MiB: the system's cache holds
	// the rest. With 8 MiB, a selection of 100 alternating streams is a tenth
	// slower.
	BlockCacheCapacity:     12 << 20,
	OpenFilesCacheCapacity: maxTables,
	// Small tables and a first level of 120 MiB (ten times this), merged with up to
	// sixteen tables at once: 630,000 to 100 streams. With tables of 8 MiB, a level
	// of 1.2 GiB and twelve tables: 490,000, with pauses of half a second.
	CompactionTableSize: 4 << 20,
	CompactionTotalSize: 12 << 20,
	CompactionL0Trigger: 16,
	// LevelDB counts look-ups of counters as seeks, and would merge tables one by
	// one with all of the next level because of them: 69 merges in 3 million events
	// rather than 19.
	DisableSeeksCompaction: true,
	// The pacer slows writes down instead: LevelDB would stop them for seconds.
	WriteL0SlowdownTrigger: 1 << 20,
	WriteL0PauseTrigger:    1 << 20,
	// 138,000 to a million streams; 102,000 without.
	Filter: newCounterFilter(),
	// Snappy costs one stream and replays a twentieth, and gains nothing when
	// clients compress or encrypt.
	Compression: opt.NoCompression,
}

// maxTables is how many table files are kept open.
const maxTables = 256
