package main

// That one event of a repository at a time is worked on, where OnePerRepository asks for it: an entry of a bucket, the
// same as that of librepobus. It is written only over the revision that was read, and the server removes it when nobody
// has renewed it for `ackWait`.

import (
	"cmp"
	"context"
	"errors"
	"os"
	"strconv"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"
)

type lease struct {
	js                 jetstream.JetStream
	kv                 jetstream.KeyValue
	bucket, key, owner string
	ackWait            time.Duration
	revision           uint64
	until              time.Time
}

func newLease(js jetstream.JetStream, name, key string, ackWait time.Duration) *lease {
	return &lease{js: js, bucket: "repobus_lease_" + name, key: key, owner: nuid.Next(), ackWait: ackWait}
}

func (l *lease) read(ctx context.Context) (string, uint64, error) {
	entry, err := l.kv.Get(ctx, l.key)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return "free", 0, nil
	}
	if err != nil {
		return "", 0, err
	}
	return string(entry.Value()), entry.Revision(), nil
}

func (l *lease) write(ctx context.Context, value string, revision uint64) (bool, error) {
	asked := time.Now()
	now, err := l.kv.Update(ctx, l.key, []byte(value), revision)
	var refused *jetstream.APIError
	if errors.As(err, &refused) && refused.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence {
		return false, nil // somebody was faster
	}
	if err == nil {
		l.revision, l.until = now, asked.Add(l.ackWait*9/10) // given up early: clocks differ in their rate
	}
	return err == nil, err
}

func (l *lease) take(ctx context.Context) (taken bool, err error) {
	l.kv, err = l.js.KeyValue(ctx, l.bucket)
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		replicas, _ := strconv.Atoi(os.Getenv("NATS_REPLICAS"))
		l.kv, err = l.js.CreateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: l.bucket, TTL: l.ackWait, MaxBytes: 16 << 20, Replicas: cmp.Or(replicas, 1)})
	}
	if err != nil {
		return false, err
	}
	value, revision, err := l.read(ctx)
	if err != nil || value != "free" {
		return false, err
	}
	return l.write(ctx, l.owner, revision)
}

// Until it is ours; no attempt is spent meanwhile. False without an error: the process is ending.
func (l *lease) wait(ctx, stop context.Context, msg jetstream.Msg) (bool, error) {
	for delay := 250 * time.Millisecond; ; delay = min(delay*2, 2*time.Second) {
		if taken, err := l.take(ctx); taken || err != nil {
			return taken, err
		}
		_ = msg.InProgress()
		select {
		case <-stop.Done():
			return false, nil
		case <-time.After(delay):
		}
	}
}

// Renews it.
func (l *lease) isKept(ctx context.Context) bool {
	value, revision, err := l.read(ctx)
	kept := value == l.owner
	if err == nil && kept {
		kept, err = l.write(ctx, l.owner, revision)
	}
	if err != nil { // NATS does not answer: it is ours until its time is over
		return time.Now().Before(l.until)
	}
	return kept
}

func (l *lease) giveBack(ctx context.Context) {
	if l.revision > 0 {
		_, _ = l.write(ctx, "free", l.revision) // where this fails it ends by itself
	}
}
