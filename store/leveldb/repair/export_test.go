package repair

import (
	"context"

	"gorewind/store"
	"gorewind/store/leveldb/internal/datadir"
)

// RunOn repairs the store of an identity on a disk.
func RunOn(ctx context.Context, on datadir.Disk, id store.Identity, o Options) (keptAt string, err error) {
	r := &repair{ctx: ctx, on: on, id: id, options: o}
	if err := r.readHighwater(); err != nil {
		return "", err
	}
	return r.run()
}
