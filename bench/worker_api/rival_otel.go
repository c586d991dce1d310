// SPDX-License-Identifier: GPL-2.0-or-later

// One round of OpenTelemetry's own library for Go: a span that begins and ends, in a batching processor
// whose exporter does nothing, and that drops what has no room, as ours does.
package main

import (
	"context"
	"fmt"
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

type nowhere struct{}

func (nowhere) ExportSpans(context.Context, []sdk.ReadOnlySpan) error { return nil }
func (nowhere) Shutdown(context.Context) error                        { return nil }

// measure: nanoseconds of one, the best of up to five runs, as in measure.h.
func measure(row string, times int, work func(times int)) {
	each := times / 5
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

func spans(tracer trace.Tracer, ctx context.Context) func(times int) {
	return func(times int) {
		for i := 0; i < times; i++ {
			_, span := tracer.Start(ctx, "SELECT users", trace.WithSpanKind(trace.SpanKindClient))
			span.End()
		}
	}
}

func withAttributes(tracer trace.Tracer, ctx context.Context) func(times int) {
	return func(times int) {
		for i := 0; i < times; i++ {
			_, span := tracer.Start(ctx, "SELECT users", trace.WithSpanKind(trace.SpanKindClient))
			span.SetAttributes(attribute.String("db.system", "postgresql"), attribute.Int("db.rows", i))
			span.End()
		}
	}
}

func main() {
	ctx := context.Background()
	on := sdk.NewTracerProvider(sdk.WithSampler(sdk.AlwaysSample()), sdk.WithBatcher(nowhere{}))
	off := sdk.NewTracerProvider(sdk.WithSampler(sdk.NeverSample()), sdk.WithBatcher(nowhere{}))

	defer func() { _ = on.Shutdown(ctx) }()
	defer func() { _ = off.Shutdown(ctx) }()
	tracer := on.Tracer("bench")
	top, span := tracer.Start(ctx, "request")
	measure("span", 500000, spans(tracer, top))
	measure("span_attributes", 500000, withAttributes(tracer, top))
	span.End()
	measure("span_off", 500000, spans(off.Tracer("bench"), ctx))
}
