module gorewind/examples/bank

go 1.25.0

require (
	github.com/mattn/go-sqlite3 v1.14.53
	gorewind v0.0.0
)

require (
	github.com/pebbe/zmq4 v1.4.0 // indirect
	golang.org/x/sys v0.46.0 // indirect
)

replace gorewind => ../../..
