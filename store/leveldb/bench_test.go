package leveldb

import (
	"context"
	"crypto/rand"
	"fmt"
	"testing"

	"gorewind/store"
)

// BenchmarkAppend appends events of 100 random bytes, so many requests a call.
func BenchmarkAppend(b *testing.B) {
	for _, each := range []int{1, 100, 10_000} {
		b.Run(fmt.Sprint(each), func(b *testing.B) {
			d := mustOpen(b, b.TempDir(), Options{})
			defer d.Close()
			reqs := requests(each)
			done := make(chan struct{}, 1)
			b.ReportAllocs()
			b.SetBytes(100)
			for n := 0; n < b.N; n += each {
				d.Append(reqs, func(results []store.Result) {
					for _, r := range results {
						if r.Err != nil {
							b.Error(r.Err)
						}
					}
					done <- struct{}{}
				})
				<-done
			}
		})
	}
}

func requests(n int) []store.Append {
	reqs := make([]store.Append, n)
	for i := range reqs {
		data := make([]byte, 100)
		rand.Read(data)
		reqs[i] = store.Append{Groups: []store.Group{{Stream: []byte("s"), Events: [][]byte{data}}}}
	}
	return reqs
}

// BenchmarkRead reads a stream of 500,000 events of 100 random bytes.
func BenchmarkRead(b *testing.B) {
	d := mustOpen(b, b.TempDir(), Options{})
	defer d.Close()
	done := make(chan struct{}, 1)
	reqs := requests(10_000)
	for range 50 {
		d.Append(reqs, func([]store.Result) { done <- struct{}{} })
		<-done
	}
	b.ReportAllocs()
	b.SetBytes(100)
	for n := 0; n < b.N; {
		for _, err := range d.Read(context.Background(), store.Range{Stream: []byte("s")}) {
			if err != nil {
				b.Fatal(err)
			}
			if n++; n == b.N {
				break
			}
		}
	}
}
