package server

import "gorewind/server/internal/zsock"

// The bounds that protocol.md states, for the test that compares it.
const (
	MaxPinned        = zsock.MaxPinned
	MaxQueued        = maxQueued
	MaxQueuedOctets  = maxQueuedOctets
	MaxRequestFrames = maxRequestFrames
	MaxRequestOctets = maxRequestOctets
	MaxUnsentOctets  = maxUnsentOctets
	MaxUnreadOctets  = maxUnreadOctets
	MaxUnreadTotal   = maxUnreadTotal
	MaxWaiting       = maxWaiting
	MaxWaitingOctets = maxWaitingOctets
	MaxRunning       = maxRunning
	MaxReadAhead     = maxReadAhead
	ChunkOctets      = chunkOctets
	SelectionOctets  = selectionOctets
	MaxChunkOctets   = maxChunkOctets
	RouterSend       = routerSend
	PubSend          = pubSend
	HoldChunks       = holdChunks
	Grace            = grace
	KeepaliveEvery   = keepaliveEvery
	MaxRunningOctets = maxRunningOctets
)

// RouterReceive computes the mark for requests.
var RouterReceive = routerReceive
