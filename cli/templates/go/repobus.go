package main

// The rules of a Repobus subscriber on nats.go, the same as those of librepobus: one durable pull consumer, the server
// is told while a handler works, back-off between attempts, a dead letter after the last, a run that people see.

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"math/rand"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const maxAttempts = 8

const defaultAckWait = 30 * time.Second // whoever died is noticed after this; a living one says so every third of it

var backoff = []time.Duration{1, 5, 25, 125, 300} // seconds; the last one again and again

// Event is one CloudEvent.
type Event struct {
	ID   string         `json:"id"`
	Type string         `json:"type"`
	Data map[string]any `json:"data"`
}

// Reject is an error that will never go away: to the dead letters.
type Reject string

func (r Reject) Error() string { return string(r) }

// Handler handles one event.
type Handler func(ctx context.Context, event Event, work *Work) error

type options struct {
	onePerRepository, inOrder bool
	ackWait                   time.Duration
}

// Option is what a subscriber may ask for besides.
type Option func(*options)

// OnePerRepository: at most one event of a repository is worked on at a time, over all processes; the handler's context
// ends when that is lost.
func OnePerRepository(o *options) { o.onePerRepository = true }

// InOrder: one event at a time over all processes, as the stream has them, retries included.
func InOrder(o *options) { o.inOrder = true }

// AckWait in place of defaultAckWait: the same for all processes of this name, and no longer than a bucket of leases that
// is there was made for.
func AckWait(time time.Duration) Option { return func(o *options) { o.ackWait = time } }

// Work is one attempt at one event, and its run, which repobus shows.
type Work struct {
	nc   *nats.Conn
	js   jetstream.JetStream
	data map[string]any
	run  map[string]any
}

func newWork(nc *nats.Conn, js jetstream.JetStream, name string, event Event, attempt uint64) *Work {
	now := time.Now().UnixMilli()
	return &Work{nc, js, event.Data, map[string]any{"installation_id": number(event.Data["installation_id"]), "subscriber": name,
		"event": event.ID, "generation": number(event.Data["generation"]), "state": "running", "attempt": attempt, "done": 0, "total": 0,
		"note": "", "error": "", "at_ms": now, "started_ms": now, "finished_ms": 0}}
}

func number(value any) int64 { f, _ := value.(float64); return int64(f) }

func (w *Work) report(ctx context.Context, state, reason string) error {
	now := time.Now().UnixMilli()
	w.run["state"], w.run["error"], w.run["at_ms"] = state, cut(reason, 500), now
	if state == "done" || state == "failed" {
		w.run["finished_ms"] = now
	}
	if w.run["installation_id"] == int64(0) { // github.* events belong to several installations: they have no run
		return nil
	}
	body, err := json.Marshal(w.run)
	if err == nil {
		_, err = w.js.Publish(ctx, fmt.Sprintf("run.%d.%s", w.run["installation_id"], w.run["subscriber"]), body)
	}
	return err
}

// Progress is what people see.
func (w *Work) Progress(ctx context.Context, done, total int64, note string) error {
	w.run["done"], w.run["total"], w.run["note"] = done, total, cut(note, 250)
	return w.report(ctx, "running", "")
}

// GitHub is its answer about the event's repository.
type GitHub struct {
	Status  int             `json:"status"`
	Body    json.RawMessage `json:"body"`
	HasNext bool            `json:"has_next"`
	Error   *GitHubError    `json:"error"`
}

// GitHubError says why there is no answer: Code is "not found", "limit reached", …
type GitHubError struct{ Code, Text string }

func (e *GitHubError) Error() string { return e.Text }

// GitHub asks as a person who connected the repository; path is what follows /repos/{owner}/{repo}/.
func (w *Work) GitHub(method, path string, body any) (answer GitHub, err error) {
	ids := w.data["installation_ids"]
	if ids == nil {
		ids = []any{w.data["installation_id"]}
	}
	question, err := json.Marshal(map[string]any{"installation_ids": ids, "method": method, "path": path, "body": body})
	if err != nil {
		return answer, err
	}
	reply, err := w.nc.Request("installation.github", question, 30*time.Second)
	if err == nil {
		err = json.Unmarshal(reply.Data, &answer)
	}
	if err == nil && answer.Error != nil {
		err = answer.Error
	}
	return answer, err
}

func cut(text string, limit int) string {
	if runes := []rune(text); len(runes) > limit {
		return string(runes[:limit])
	}
	return text
}

func bury(ctx context.Context, js jetstream.JetStream, name string, msg jetstream.Msg, meta *jetstream.MsgMetadata, event Event, reason string, work *Work) error {
	body, err := json.Marshal(map[string]any{"subscriber": name, "subject": msg.Subject(), "reason": reason, "attempts": meta.NumDelivered,
		"at": time.Now().UTC().Format("2006-01-02T15:04:05.000Z"), "stream": "REPOBUS", "sequence": meta.Sequence.Stream, "event": json.RawMessage(msg.Data())})
	if err != nil { // no JSON: as bytes
		body, err = json.Marshal(map[string]any{"subscriber": name, "subject": msg.Subject(), "reason": reason, "attempts": meta.NumDelivered,
			"at": time.Now().UTC().Format("2006-01-02T15:04:05.000Z"), "stream": "REPOBUS", "sequence": meta.Sequence.Stream, "body_base64": msg.Data(), "body_size": len(msg.Data())})
	}
	if err == nil {
		id := fmt.Sprintf("%s.%s.%d", name, cmp.Or(event.ID, "-"), meta.Sequence.Stream)
		_, err = js.Publish(ctx, "dead."+name+"."+msg.Subject(), body, jetstream.WithMsgID(id))
	}
	if err == nil {
		err = work.report(ctx, "failed", reason)
	}
	if err == nil {
		err = msg.Term()
	}
	return err
}

// An event that an operator replays is for one subscriber.
func isForAnother(msg jetstream.Msg, name string) bool {
	to := msg.Headers().Get("Repobus-To")
	return to != "" && to != name
}

// While `work` runs, the server is told so, and the lease is renewed; where that is lost, its context ends.
func kept(ctx context.Context, msg jetstream.Msg, ours *lease, ackWait time.Duration, work func(ctx context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	defer func() { cancel(); <-ended }()
	go func() {
		tick := time.NewTicker(ackWait / 3)
		defer tick.Stop()
		defer close(ended)
		for {
			select {
			case <-tick.C:
				_ = msg.InProgress()
				if ours != nil && !ours.isKept(ctx) {
					cancel()
				}
			case <-ctx.Done():
				return
			}
		}
	}()
	return work(ctx)
}

func handleOne(ctx, stop context.Context, nc *nats.Conn, js jetstream.JetStream, name string, msg jetstream.Msg, handler Handler, wants options) error {
	meta, err := msg.Metadata()
	if err != nil {
		return err
	}
	event := Event{}
	if json.Unmarshal(msg.Data(), &event) != nil || event.Data == nil {
		return bury(ctx, js, name, msg, meta, event, "no event", newWork(nc, js, name, event, meta.NumDelivered))
	}
	work := newWork(nc, js, name, event, meta.NumDelivered)
	var ours *lease
	if repo := number(event.Data["repo_id"]); repo > 0 && wants.onePerRepository {
		ours = newLease(js, name, fmt.Sprint(repo), wants.ackWait)
		taken, failed := ours.wait(ctx, stop, msg)
		if !taken && failed == nil {
			return msg.Nak()
		}
		err = failed
		defer ours.giveBack(ctx)
	}
	if err == nil {
		err = work.report(ctx, "running", "")
	}
	if err == nil {
		err = kept(ctx, msg, ours, wants.ackWait, func(ctx context.Context) error { return handler(ctx, event, work) })
	}
	if err == nil {
		err = work.report(ctx, "done", "")
	}
	if err == nil {
		return msg.DoubleAck(ctx)
	}
	var reject Reject
	if errors.As(err, &reject) || meta.NumDelivered >= maxAttempts {
		return bury(ctx, js, name, msg, meta, event, err.Error(), work)
	}
	_ = work.report(ctx, "retrying", err.Error()) // whatever else went wrong may go well later
	delay := backoff[min(int(meta.NumDelivered), len(backoff))-1] * time.Second
	return msg.NakWithDelay(delay/2 + time.Duration(rand.Int63n(int64(delay/2))))
}

// Where NATS is, and who this is. Answers come to an inbox on which no other subscriber's credentials may listen.
func connect(name string) (*nats.Conn, error) {
	options := []nats.Option{nats.Name(name), nats.CustomInboxPrefix("_INBOX." + name), nats.MaxReconnects(-1)}
	if creds := os.Getenv("NATS_CREDS"); creds != "" {
		options = append(options, nats.UserCredentials(creds))
	}
	if ca := os.Getenv("NATS_CA"); ca != "" {
		options = append(options, nats.RootCAs(ca))
	}
	return nats.Connect(cmp.Or(os.Getenv("NATS_URL"), nats.DefaultURL), options...)
}

// Run runs until SIGTERM or SIGINT; what is under way is finished first.
func Run(name string, subjects []string, handler Handler, more ...Option) error {
	wants := options{ackWait: defaultAckWait}
	for _, option := range more {
		option(&wants)
	}
	stop, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer cancel()
	nc, err := connect(name)
	if err != nil {
		return err
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	pending := 10000
	if wants.inOrder {
		pending = 1
	}
	filter := "@FILTER@"
	if filter == ">" {
		filter = ""
	}
	consumer, err := js.CreateOrUpdateConsumer(stop, "REPOBUS", jetstream.ConsumerConfig{Durable: name, AckPolicy: jetstream.AckExplicitPolicy,
		AckWait: wants.ackWait, MaxDeliver: -1, MaxAckPending: pending, FilterSubject: filter})
	if err != nil { // Repobus has not run yet: whoever started this starts it again
		return err
	}
	messages, err := consumer.Messages(jetstream.PullMaxMessages(1)) // several processes of this name share the work
	if err != nil {
		return err
	}
	context.AfterFunc(stop, messages.Stop)
	for {
		msg, err := messages.Next()
		switch {
		case errors.Is(err, jetstream.ErrMsgIteratorClosed):
			return nc.FlushTimeout(2 * time.Second)
		case err != nil:
			log.Print(err)
		case !slices.Contains(subjects, msg.Subject()), isForAnother(msg, name):
			_ = msg.Ack()
		default:
			if err := handleOne(context.Background(), stop, nc, js, name, msg, handler, wants); err != nil {
				log.Print(err)
			}
		}
	}
}
