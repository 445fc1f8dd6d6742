package ldb

import "github.com/syndtr/goleveldb/leveldb/opt"

// WriteBuffer is how much LevelDB keeps in memory before it makes a table of it, in bytes.
const WriteBuffer = 16 << 20

// Settings are what LevelDB is opened with. Figures are events/s of 100 random
// bytes on two CPUs that clients share: to one stream (about 780,000), to 100
// in turn until there are 24 million, and to random ones of a million streams.
var Settings = opt.Options{
	// A damaged manifest is refused rather than taken for an empty database. A
	// torn journal tail is ordinary after a power cut, so StrictJournal is not set.
	Strict: opt.DefaultStrict | opt.StrictManifest,
	// Above the largest commit, which else would go another way, past the
	// journal: 8 MiB of data and what belongs to it. With 10 MiB one stream has a
	// tenth less, and a million streams pauses of 220 ms rather than 100; with 32
	// nothing is faster, and 80 MiB more are resident.
	WriteBuffer:                  WriteBuffer,
	DisableLargeBatchTransaction: true,
	NoWriteMerge:                 true, // there is one writer
	// Reading takes 70 ns an event; 107 with 4 KiB, 66 with 32.
	BlockSize: 16 << 10,
	// Neither replays nor counters are faster with 32 MiB: the system's own cache
	// has the rest. With 8, a selection of 100 streams that alternate is slower by
	// a tenth.
	BlockCacheCapacity:     12 << 20,
	OpenFilesCacheCapacity: maxTables,
	// Small tables and a first level of 120 MiB (ten times this), merged with
	// sixteen tables at once: 630,000 to 100 streams. 490,000, with pauses of half
	// a second, where tables have 8 MiB, the level 1.2 GiB, and twelve are merged.
	CompactionTableSize: 4 << 20,
	CompactionTotalSize: 12 << 20,
	CompactionL0Trigger: 16,
	// Look-ups of counters count as seeks, for which LevelDB merges tables one by
	// one with all of the next level: 69 merges in 3 million events rather than 19.
	DisableSeeksCompaction: true,
	// The pacer slows writes down instead: LevelDB would stop them for seconds.
	WriteL0SlowdownTrigger: 1 << 20,
	WriteL0PauseTrigger:    1 << 20,
	// 138,000 to a million streams; 102,000 without.
	Filter: newCounterFilter(),
	// Snappy costs one stream and replays a twentieth, and gains nothing where
	// clients compress, or encrypt.
	Compression: opt.NoCompression,
}

// maxTables is how many table files are kept open.
const maxTables = 256
