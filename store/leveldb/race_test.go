//go:build race

package leveldb

func init() { raced = true }
