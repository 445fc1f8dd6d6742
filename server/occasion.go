package server

import "time"

// An occasion is something that strangers can bring about as often as they like.
// It is logged now and then, with how often it was.
type occasion struct {
	next  time.Time
	times int // since it was logged
}

// occasionEvery is how often it is logged.
const occasionEvery = 10 * time.Second

// logged calls log if it is time to.
func (o *occasion) logged(log func(times int)) {
	o.times++
	now := time.Now()
	if now.Before(o.next) {
		return
	}
	o.next = now.Add(occasionEvery)
	log(o.times)
	o.times = 0
}
