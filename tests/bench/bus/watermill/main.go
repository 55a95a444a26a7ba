// The empty subscriber in Watermill, on its NATS module, with what libbus gives a handler: a durable consumer with explicit,
// confirmed acknowledgements, retries with a back-off, a dead letter after the last, recovery from a panic, draining on SIGTERM.
//
//	subscriber pull    pkg/jetstream: a pull consumer (its authors call it beta)
//	subscriber push    pkg/nats: a push consumer with two concurrent subscribers
package main

import (
	"context"
	"encoding/json"
	"log"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	wmjs "github.com/ThreeDotsLabs/watermill-nats/v2/pkg/jetstream"
	wmnats "github.com/ThreeDotsLabs/watermill-nats/v2/pkg/nats"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/message/router/middleware"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const stream, subject, ackWait = "REPOBUS", "repo.connected", 30 * time.Second

type event struct {
	ID   string         `json:"id"`
	Data map[string]any `json:"data"`
}

func handle(msg *message.Message) error {
	var e event
	return json.Unmarshal(msg.Payload, &e)
}

func consumer(name string) wmjs.ResourceInitializer {
	return func(ctx context.Context, js jetstream.JetStream, topic string) (jetstream.Consumer, func(context.Context, watermill.LoggerAdapter), error) {
		c, err := js.CreateOrUpdateConsumer(ctx, stream, jetstream.ConsumerConfig{Durable: name, FilterSubject: topic,
			AckPolicy: jetstream.AckExplicitPolicy, AckWait: ackWait, MaxDeliver: -1, MaxAckPending: 10000})
		return c, nil, err
	}
}

// Made beforehand: a durable that the client makes with its subscription is deleted by it on a clean stop.
func pushed(name, url string) error {
	nc, err := nats.Connect(url)
	if err != nil {
		return err
	}
	defer nc.Close()
	js, err := nc.JetStream()
	if err == nil {
		_, err = js.AddConsumer(stream, &nats.ConsumerConfig{Durable: name, DeliverGroup: name, DeliverSubject: "push." + name, FilterSubject: subject,
			AckPolicy: nats.AckExplicitPolicy, AckWait: ackWait, MaxDeliver: -1, MaxAckPending: 10000})
	}
	return err
}

func subscriber(kind, name, url string, logger watermill.LoggerAdapter) (message.Subscriber, error) {
	delay := wmnats.NewStaticDelay(time.Second)
	if kind == "pull" {
		return wmjs.NewSubscriber(wmjs.SubscriberConfig{URL: url, Logger: logger, AckWaitTimeout: ackWait, NakDelay: delay, ResourceInitializer: consumer(name)})
	}
	if err := pushed(name, url); err != nil {
		return nil, err
	}
	return wmnats.NewSubscriber(wmnats.SubscriberConfig{URL: url, SubscribersCount: 2, AckWaitTimeout: ackWait, NakDelay: delay, QueueGroupPrefix: name,
		JetStream: wmnats.JetStreamConfig{DurablePrefix: name, SubscribeOptions: []nats.SubOpt{nats.BindStream(stream), nats.ManualAck(), nats.AckWait(ackWait), nats.MaxAckPending(10000)}}}, logger)
}

func run() error {
	name, url, logger := os.Getenv("NAME"), os.Getenv("NATS_URL"), watermill.NopLogger{}
	stop, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer cancel()
	sub, err := subscriber(os.Args[1], name, url, logger)
	if err != nil {
		return err
	}
	dead, err := wmjs.NewPublisher(wmjs.PublisherConfig{URL: url, Logger: logger})
	if err != nil {
		return err
	}
	poison, err := middleware.PoisonQueue(dead, "dead."+name+"."+subject)
	if err != nil {
		return err
	}
	router, err := message.NewRouter(message.RouterConfig{CloseTimeout: 20 * time.Second}, logger)
	if err != nil {
		return err
	}
	// Retries wait in the process and nobody tells the server meanwhile: all of them must fit into the ack wait.
	router.AddMiddleware(poison, middleware.Retry{MaxRetries: 3, InitialInterval: time.Second, Multiplier: 3}.Middleware, middleware.Recoverer)
	router.AddNoPublisherHandler(name, subject, sub, handle)
	return router.Run(stop)
}

func main() {
	if err := run(); err != nil {
		log.Fatal(err)
	}
}
