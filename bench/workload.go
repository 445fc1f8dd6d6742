package main

// A workload is what all peers are asked to do: one row of the table.
type workload struct {
	name     string // the same as in gorewind bench --only
	title    string
	clients  int
	inFlight int // for each client; 0: what the peer does best with
	size     int // bytes of an event
	batch    int // events that are stored together or not at all; 0: each for itself
	replay   bool
}

// workloads are the rows in the order of the table.
var workloads = []workload{
	{name: "pipelined", title: "one client, pipelined", clients: 1, size: 100},
	{name: "clients", title: "16 clients, 16 in flight each", clients: 16, inFlight: 16, size: 100},
	{name: "clients-single", title: "16 clients, one in flight each", clients: 16, inFlight: 1, size: 100},
	{name: "single", title: "one client, one in flight", clients: 1, inFlight: 1, size: 100},
	{name: "large", title: "one client, pipelined, 1 KiB", clients: 1, size: 1024},
	{name: "batches", title: "one client, atomic batches of 1,000", clients: 1, size: 100, batch: 1_000},
	{name: "replay", title: "replay of one stream", clients: 1, size: 100, replay: true},
}
