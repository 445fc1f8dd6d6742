package auth

import "time"

// An Occasion is something that strangers can bring about as often as they like.
// It is logged now and then, with how often it was.
type Occasion struct {
	next  time.Time
	times int // since it was logged
}

// occasionEvery is how often it is logged.
const occasionEvery = 10 * time.Second

// Logged calls log if it is time to.
func (o *Occasion) Logged(log func(times int)) {
	o.times++
	now := time.Now()
	if now.Before(o.next) {
		return
	}
	o.next = now.Add(occasionEvery)
	log(o.times)
	o.times = 0
}
