// SPDX-License-Identifier: GPL-2.0-or-later

// One round of Go's context.
package main

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"time"
)

const many = 10000

var sink int // what was computed is wanted by somebody

// measure: nanoseconds of one, the best of up to five runs, as in measure.h.
func measure(row string, times int, work func(times int)) {
	each := times / 5
	if times < 5 {
		each = times
	}
	best := 0.0
	for run := 0; run < times/each; run++ {
		begin := time.Now()
		work(each)
		ns := float64(time.Since(begin).Nanoseconds()) / float64(each)
		if run == 0 || ns < best {
			best = ns
		}
	}
	fmt.Printf("%s %.3f\n", row, best)
}

func errs(ctx context.Context) func(times int) {
	return func(times int) {
		for i := 0; i < times; i++ {
			if ctx.Err() != nil {
				sink++
			}
		}
	}
}

func done(ctx context.Context) func(times int) {
	return func(times int) {
		for i := 0; i < times; i++ {
			select {
			case <-ctx.Done():
				sink++
			default:
			}
		}
	}
}

func cancelMany(row string, depth int) {
	top, cancel := context.WithCancel(context.Background())
	below := make([]context.Context, many)
	cancels := make([]context.CancelFunc, many)
	for i := range below {
		parent := top
		if i%depth != 0 {
			parent = below[i-1]
		}
		below[i], cancels[i] = context.WithCancel(parent)
	}
	runtime.GC()
	measure(row, 1, func(int) { cancel() })
	for _, c := range cancels {
		c()
	}
}

func bytesPerChild(parent context.Context) {
	const n = many * 10
	var before, after runtime.MemStats
	contexts := make([]context.Context, n)
	cancels := make([]context.CancelFunc, n)
	runtime.GC()
	runtime.ReadMemStats(&before)
	for i := range contexts {
		contexts[i], cancels[i] = context.WithCancel(parent)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	fmt.Printf("bytes %.1f\n", float64(after.HeapAlloc-before.HeapAlloc)/n)
	for _, c := range cancels {
		c()
	}
}

// What goleak does to see who is there: the stacks of all as text, into a buffer of 64 KiB that is
// doubled until they fit, and taken apart into goroutines with their state and first function.
func goroutines() int {
	var buf []byte
	for room := 64 << 10; ; room *= 2 {
		buf = make([]byte, room)
		if used := runtime.Stack(buf, true); used < room {
			buf = buf[:used]
			break
		}
	}
	found := map[string][2]string{}
	for _, one := range strings.Split(string(buf), "\n\n") {
		lines := strings.SplitN(one, "\n", 3)
		head := strings.SplitN(strings.TrimSuffix(lines[0], "]:"), " [", 2)
		if len(lines) > 1 && len(head) == 2 {
			found[head[0]] = [2]string{head[1], lines[1]}
		}
	}
	return len(found)
}

func dump() {
	const n = 1000
	stop := make(chan int)
	for i := 0; i < n; i++ {
		go func() { <-stop }()
	}
	runtime.Gosched()
	measure("dump", 20, func(times int) {
		for i := 0; i < times; i++ {
			if goroutines() < n {
				panic("not all were seen")
			}
		}
	})
	close(stop)
}

// Two goroutines in turns: each waits for the other, or for the end.
func turns(ctx context.Context) {
	const n = 20000
	play := func(mine, others chan int, times int) {
		for i := 0; i < times; i++ {
			select {
			case <-mine:
			case <-ctx.Done():
				panic("not cancelled")
			}
			select {
			case others <- i:
			case <-ctx.Done():
				panic("not cancelled")
			}
		}
	}
	measure("turn", 5*n, func(times int) {
		a, b := make(chan int, 1), make(chan int, 1)
		done := make(chan int)
		go func() {
			play(a, b, times/2)
			close(done)
		}()
		a <- 0
		play(b, a, times/2)
		<-done
	})
}

func main() {
	parent, cancel := context.WithCancel(context.Background())
	defer cancel()
	timed, cancelTimed := context.WithTimeout(parent, time.Hour)
	measure("err", 5000000, errs(parent))
	measure("check", 5000000, done(parent))
	measure("err_deadline", 5000000, errs(timed))
	cancelTimed()
	measure("err_cancelled", 5000000, errs(timed))
	measure("check_cancelled", 5000000, done(timed))
	measure("child", 300000, func(times int) {
		for i := 0; i < times; i++ {
			_, c := context.WithCancel(parent)
			c()
		}
	})
	measure("child_deadline", 200000, func(times int) {
		for i := 0; i < times; i++ {
			_, c := context.WithTimeout(parent, time.Hour)
			c()
		}
	})
	turns(parent)
	bytesPerChild(parent)
	dump()
	for i := 0; i < 2; i++ { // the first one of each is warm-up: the last line counts
		cancelMany("cancel_10000", 1)
		cancelMany("cancel_10000_deep", 100)
	}
}
