package server

import "gorewind/server/internal/zsock"

// The limits that protocol.md states, for the test that compares them.
const (
	MaxPinned        = zsock.MaxPinned
	MaxQueued        = maxQueued
	MaxQueuedBytes   = maxQueuedBytes
	MaxRequestFrames = maxRequestFrames
	MaxRequestBytes  = maxRequestBytes
	MaxUnsentBytes   = maxUnsentBytes
	MaxUnreadBytes   = maxUnreadBytes
	MaxUnreadTotal   = maxUnreadTotal
	MaxWaiting       = maxWaiting
	MaxWaitingBytes  = maxWaitingBytes
	MaxRunning       = maxRunning
	MaxReadAhead     = maxReadAhead
	ChunkBytes       = chunkBytes
	SelectionBytes   = selectionBytes
	MaxChunkBytes    = maxChunkBytes
	RouterSend       = routerSend
	PubSend          = pubSend
	HoldChunks       = holdChunks
	Grace            = grace
	KeepaliveEvery   = keepaliveEvery
	MaxRunningBytes  = maxRunningBytes
)

// RouterReceive is the high-water mark for requests.
var RouterReceive = routerReceive
