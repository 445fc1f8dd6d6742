package leveldb

// Names in a store's directory, as the format has them.
const (
	nameLock      = "LOCK"
	nameNew       = "db.new"
	nameKept      = "db.damaged-"
	nameRestoring = "db.restoring"
	nameSource    = "SOURCE"
)

// Where things are in the high-water file.
const (
	slotSize   = 28
	slotStride = 4096
	copyOffset = 8192
)
